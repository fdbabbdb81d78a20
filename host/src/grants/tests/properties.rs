//! Generated policies against a second reading of the rules.

mod generated;
mod reference;

use proptest::collection::vec;
use proptest::prelude::*;

use self::generated::{attempt, caller, config, now};
use self::reference::{concerns, expected, granted, is_unknown, names};
use super::{Decision, Place, Policy, outcome};
use crate::grants::{Action, Outcome};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// With everything known, what is decided is what the rules say, by the rule that the file has first.
    #[test]
    fn what_is_decided_is_what_the_rules_say(
        config in config(),
        who in caller(),
        attempt in attempt(),
        now in now(),
    ) {
        let policy = Policy::compile(&config);
        let decision = policy.decide(&who, &attempt.borrowed(), now);
        prop_assert_eq!(outcome(&decision), expected(&config, &who, &attempt, now));
    }

    /// With something not known, what is certain is so whatever it turns out to be.
    #[test]
    fn what_is_certain_is_so_whatever_turns_out(
        config in config(),
        who in caller(),
        attempt in attempt(),
        hidden in vec(any::<bool>(), 5),
        now in now(),
    ) {
        let policy = Policy::compile(&config);
        let attempt = attempt.without(&hidden);
        let decision = policy.decide(&who, &attempt.borrowed(), now);
        for completed in attempt.completions() {
            let in_full = expected(&config, &who, &completed, now);
            let allowed = !in_full.starts_with(['-', '!']);
            match decision {
                Decision::Allowed { .. } => prop_assert!(allowed, "{completed:?}: {in_full}"),
                Decision::Depends => {}
                Decision::Refused { .. } => prop_assert!(!allowed, "{completed:?}: {in_full}"),
            }
        }
    }

    /// An explanation is of the decision, and a caller hears of no rule that is for others.
    #[test]
    fn explanations_are_of_the_decision_and_of_ones_own_rules(
        config in config(),
        who in caller(),
        attempt in attempt(),
        hidden in vec(any::<bool>(), 5),
        now in now(),
    ) {
        let policy = Policy::compile(&config);
        let attempt = attempt.without(&hidden);
        let decision = policy.decide(&who, &attempt.borrowed(), now);
        let explanation = policy.explain(&who, &attempt.borrowed(), now);
        let (outcome, rule) = match &decision {
            Decision::Allowed { grant } => (Outcome::Allowed, Some(*grant)),
            Decision::Depends => (Outcome::Depends, None),
            Decision::Refused { refusal, .. } => (Outcome::Refused, *refusal),
        };
        prop_assert_eq!(explanation.decision, outcome);
        prop_assert_eq!(explanation.rule.as_deref(), rule);
        prop_assert!(!explanation.why.is_empty());
        let access = policy.of(&who, now);
        let said = serde_json::to_string(&(&explanation, &access)).expect("JSON");
        for (place, grant) in config.grants.iter().enumerate() {
            let own = names(&grant.principals, &grant.groups, &who) && !is_unknown(&who);
            let name = format!("grant[{place}]");
            prop_assert!(own || !said.contains(&name), "{} says {}", name, said);
        }
        for (place, refusal) in config.refusals.iter().enumerate() {
            let name = format!("refusal[{place}]");
            prop_assert!(concerns(refusal, &who) || !said.contains(&name), "{name} in {said}");
        }
    }

    /// Where something is granted, the place is seen. Charts are granted wherever tillers are.
    #[test]
    fn a_place_is_seen_where_something_is_granted(
        config in config(),
        who in caller(),
        attempt in attempt(),
    ) {
        if attempt.action != Action::ReadCharts && granted(&config, &who, &attempt).is_some() {
            let policy = Policy::compile(&config);
            let place = attempt.borrowed().place.expect("a place");
            let any_tiller = Place { tiller: None, ..place };
            prop_assert!(policy.sees(&who, &place) && policy.sees(&who, &any_tiller));
        }
    }
}
