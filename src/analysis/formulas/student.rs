//! Student's t distribution.

/// The share of a t-distributed variable below `t`, for `df` degrees of freedom (above 0, fractions allowed).
///
/// Source: M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions" (1964), formulas 26.7.1 and 26.5.27.
pub fn student_cdf(t: f64, df: f64) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 1.0 } else { 0.0 };
    }
    let beyond = 0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t));
    if t > 0.0 { 1.0 - beyond } else { beyond }
}

/// The value below which a t-distributed variable lies with this probability (between 0.5 and 1, exclusive), for `df`
/// degrees of freedom; found by halving.
pub fn student_quantile(probability: f64, df: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_cdf(high, df) < probability && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if student_cdf(middle, df) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function by its continued fraction.
///
/// Source: W. H. Press et al., "Numerical Recipes", 3rd ed. (2007), section 6.4; the fraction is evaluated by Lentz's
/// method, section 5.2.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, 1.0 - x) / b
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |number: f64| if number.abs() < TINY { TINY } else { number };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut whole = d;
    for m in (1..10_000).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut last = 1.0;
        for term in [even, odd] {
            d = 1.0 / nonzero(1.0 + term * d);
            c = nonzero(1.0 + term / c);
            last = c * d;
            whole *= last;
        }
        if (last - 1.0).abs() < 1e-14 {
            break;
        }
    }
    whole
}

/// The logarithm of the gamma function of a positive number, to 2e-10.
///
/// Source: C. Lanczos, SIAM J. Numer. Anal. 1 (1964), with the coefficients of "Numerical Recipes", 2nd ed., section 6.1.
fn ln_gamma(x: f64) -> f64 {
    const SERIES: [f64; 6] = [
        76.180_091_729_471_46,
        -86.505_320_329_416_77,
        24.014_098_240_830_91,
        -1.231_739_572_450_155,
        0.120_865_097_386_617_9e-2,
        -0.539_523_938_495_3e-5,
    ];
    let sum = SERIES.iter().zip(1..).fold(1.000_000_000_190_015, |sum, (term, n)| sum + term / (x + f64::from(n)));
    let shifted = x + 5.5;
    (x + 0.5) * shifted.ln() - shifted + (2.506_628_274_631_000_5 * sum / x).ln()
}

#[cfg(test)]
mod tests {
    use super::{student_cdf, student_quantile};

    #[test]
    fn the_quantiles_match_the_published_table() {
        // Abramowitz and Stegun, table 26.10, and any table of t since Fisher's.
        for (probability, df, t) in [
            (0.975, 1.0, 12.706),
            (0.975, 2.0, 4.303),
            (0.975, 9.0, 2.262),
            (0.975, 18.0, 2.101),
            (0.95, 10.0, 1.812),
            (0.995, 30.0, 2.750),
            (0.975, 120.0, 1.980),
        ] {
            let found = student_quantile(probability, df);
            assert!((found - t).abs() < 5.1e-4, "t({probability}, {df}) = {found}, published {t}");
        }
    }

    #[test]
    fn the_distribution_is_symmetric_and_turns_into_the_normal_one() {
        assert!((student_cdf(0.0, 5.0) - 0.5).abs() < 1e-12);
        assert!((student_cdf(1.5, 7.0) + student_cdf(-1.5, 7.0) - 1.0).abs() < 1e-12);
        assert!((student_quantile(0.975, 1e6) - super::super::Z95).abs() < 1e-5);
        assert_eq!((student_cdf(f64::INFINITY, 3.0), student_cdf(f64::NEG_INFINITY, 3.0)), (1.0, 0.0));
    }
}
