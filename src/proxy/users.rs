//! Who is touched: users are told apart by a keyed hash, as their values are personal data and never kept.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use hyper::header::COOKIE;

use crate::model::experiment::UserKey;

/// A user, as a hash that means nothing outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct UserId(u64);

/// The distinct users that any toxic of a run has touched.
#[derive(Debug, Default)]
pub(super) struct Users {
    key: RandomState,
    touched: Mutex<HashSet<UserId>>,
}

impl Users {
    /// The user behind a client's address.
    pub(super) fn at_address(&self, address: IpAddr) -> UserId {
        UserId(self.key.hash_one(("address", address.to_canonical())))
    }

    /// The user that a request names; none when it names nobody.
    pub(super) fn named_in(&self, headers: &HeaderMap, key: &UserKey) -> Option<UserId> {
        let value = match key {
            UserKey::Header(name) => headers.get(name)?.as_bytes(),
            UserKey::Cookie(name) => cookie(headers, name)?,
        };
        (!value.is_empty()).then(|| UserId(self.key.hash_one(("value", value))))
    }

    /// Notes that a user is about to be touched, unless that would make more than `max` of them: users touched before
    /// may always be touched again.
    pub(super) fn admit(&self, user: UserId, max: Option<u64>) -> bool {
        let mut touched = self.lock();
        if touched.contains(&user) {
            return true;
        }
        let room = max.is_none_or(|max| (touched.len() as u64) < max);
        if room {
            touched.insert(user);
        }
        room
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.lock().len() as u64
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<UserId>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a cookie (RFC 6265, section 4.2: pairs divided by semicolons).
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let pairs = headers.get_all(COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::{COOKIE, HeaderValue};

    use super::Users;
    use crate::model::experiment::UserKey;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().expect("name"), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_cookie_is_found_among_others_and_not_by_the_end_of_a_name() {
        let users = Users::default();
        let key = UserKey::Cookie("session".into());
        let found = users.named_in(&headers("cookie", "a=1; xsession=no; session=me"), &key);
        assert_eq!(found, users.named_in(&headers("cookie", "session=me"), &key));
        assert!(found.is_some());
        assert_eq!(users.named_in(&headers("cookie", "xsession=no"), &key), None);
        let mut two = headers("cookie", "a=1");
        two.append(COOKIE, HeaderValue::from_static("session=me"));
        assert_eq!(users.named_in(&two, &key), found);
    }

    #[test]
    fn a_header_names_a_user_by_its_value_and_an_empty_one_names_nobody() {
        let users = Users::default();
        let key = UserKey::Header("X-User".into());
        assert_eq!(users.named_in(&headers("x-user", "a"), &key), users.named_in(&headers("x-user", "a"), &key));
        assert_ne!(users.named_in(&headers("x-user", "a"), &key), users.named_in(&headers("x-user", "b"), &key));
        assert_eq!(users.named_in(&headers("x-user", ""), &key), None);
    }

    #[test]
    fn a_further_user_is_refused_and_a_known_one_never() {
        let users = Users::default();
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|ip| users.at_address(ip.parse().expect("address")));
        assert!(users.admit(a, Some(1)) && !users.admit(b, Some(1)) && users.admit(a, Some(1)));
        assert_eq!(users.count(), 1);
        assert!(!users.admit(b, Some(0)) && users.admit(b, None));
        assert_eq!(users.count(), 2);
    }
}
