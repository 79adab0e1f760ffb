//! Which of those that match a target a fault may hit: as many as the blast radius' `scope` allows, drawn by the run's seed.

use rand::RngExt;

use crate::host::dice::seeded;
use crate::model::experiment::Scope;

/// How many of so many a fault may hit; none of none.
pub fn allowed(scope: Scope, matching: usize) -> usize {
    let most = match scope {
        Scope::SingleInstance => 1,
        Scope::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
        // Rounded down, but a scope of nothing is refused when it is read: at least one.
        Scope::Percentage(share) => ((matching as f64 * share.0 + 1e-9).floor() as usize).max(1),
    };
    most.min(matching)
}

/// Draws as many as are allowed; their order is kept. The same seed and fault draw the same places of a list of the same
/// length, so a list in the order of age makes the draw mean the same in the next run.
pub fn draw<T>(mut matching: Vec<T>, scope: Scope, seed: u64, fault: &str) -> Vec<T> {
    let wanted = allowed(scope, matching.len());
    let mut dice = seeded(seed, ["target", fault]);
    while matching.len() > wanted {
        matching.remove(dice.random_range(0..matching.len()));
    }
    matching
}

#[cfg(test)]
mod tests {
    use super::{allowed, draw};
    use crate::model::experiment::Scope;
    use crate::model::units::Share;

    #[test]
    fn the_scope_is_the_most_and_never_less_than_one() {
        assert_eq!(allowed(Scope::SingleInstance, 9), 1);
        assert_eq!((allowed(Scope::Count(3), 9), allowed(Scope::Count(3), 2)), (3, 2));
        for (share, matching, most) in [(0.5, 9, 4), (0.3, 10, 3), (0.01, 9, 1), (1.0, 9, 9)] {
            assert_eq!(allowed(Scope::Percentage(Share(share)), matching), most, "{share} of {matching}");
        }
        assert_eq!(allowed(Scope::Count(3), 0), 0);
    }

    #[test]
    fn a_seed_replays_and_another_draws_others_and_all_have_the_same_chance() {
        let drawn = |seed, fault: &str| draw((0..5).collect(), Scope::Count(2), seed, fault);
        assert_eq!(drawn(7, "hang"), drawn(7, "hang"));
        assert!(drawn(7, "hang").is_sorted());
        let mut hits = [0; 5];
        for seed in 0..5000 {
            drawn(seed, "hang").into_iter().for_each(|place: usize| hits[place] += 1);
        }
        // 2000 each; five standard deviations are 173.
        assert!(hits.iter().all(|hits| (1827..2173).contains(hits)), "{hits:?}");
        let differs = (0..20).filter(|seed| drawn(*seed, "hang") != drawn(*seed, "kill")).count();
        assert!(differs > 10, "another fault draws for itself: {differs}");
    }
}
