//! When refusals hold.

use super::*;
use crate::grants::Window;

#[derive(serde::Deserialize)]
struct File {
    window: Window,
}

fn window(text: &str) -> Window {
    let file: File = toml::from_str(&format!("[window]\n{text}")).expect(text);
    file.window
}

fn complaint(text: &str) -> String {
    match toml::from_str::<File>(&format!("[window]\n{text}")) {
        Ok(file) => panic!("{text} is taken for {:?}", file.window),
        Err(error) => error.to_string(),
    }
}

/// Each time with whether the window holds.
fn check(text: &str, times: &[(&str, bool)]) {
    let window = window(text);
    for (at, expected) in times {
        let holds = window.holds(time(at)).is_some();
        assert_eq!(holds, *expected, "{text} at {at}");
    }
}

#[test]
fn a_window_in_time_begins_with_its_first_instant_and_ends_before_its_last() {
    check(
        r#"
        from = "2026-12-20T00:00:00+01:00"
        to = "2027-01-02T00:00:00Z"
        "#,
        &[
            ("2026-12-19T22:59:59Z", false),
            ("2026-12-19T23:00:00Z", true),
            ("2027-01-01T23:59:59Z", true),
            ("2027-01-02T00:00:00Z", false),
        ],
    );
    check(
        "from = 2026-12-20T00:00:00Z",
        &[
            ("2026-12-19T23:59:59Z", false),
            ("2099-01-01T00:00:00Z", true),
        ],
    );
    check(
        "to = \"2026-12-20T00:00:00Z\"",
        &[
            ("1970-01-01T00:00:00Z", true),
            ("2026-12-20T00:00:00Z", false),
        ],
    );
}

#[test]
fn weekly_hours_are_utc_unless_a_zone_is_named() {
    // A Wednesday.
    check(
        r#"
        days = ["wed"]
        from = "09:00"
        to = "17:00"
        "#,
        &[
            ("2026-06-10T08:59:59Z", false),
            ("2026-06-10T09:00:00Z", true),
            ("2026-06-10T16:59:59Z", true),
            ("2026-06-10T17:00:00Z", false),
            ("2026-06-11T12:00:00Z", false),
        ],
    );
    check(
        r#"
        days = ["wed"]
        from = 09:00:00
        to = 17:00:00
        zone = "Asia/Tokyo"
        "#,
        &[
            ("2026-06-09T23:59:59Z", false),
            ("2026-06-10T00:00:00Z", true),
            ("2026-06-10T07:59:59Z", true),
            ("2026-06-10T08:00:00Z", false),
        ],
    );
}

#[test]
fn hours_go_on_over_midnight_from_the_day_that_is_named() {
    check(
        r#"
        days = ["fri"]
        from = "16:00"
        to = "08:00"
        "#,
        &[
            ("2026-06-12T07:00:00Z", false),
            ("2026-06-12T16:00:00Z", true),
            ("2026-06-13T00:00:00Z", true),
            ("2026-06-13T07:59:59Z", true),
            ("2026-06-13T08:00:00Z", false),
            ("2026-06-13T16:00:00Z", false),
        ],
    );
    check(
        r#"
        days = ["fri"]
        from = "16:00"
        to = "24:00"
        "#,
        &[
            ("2026-06-12T23:59:59Z", true),
            ("2026-06-13T00:00:00Z", false),
        ],
    );
    check(
        "from = \"22:00\"\nto = \"06:00\"",
        &[
            ("2026-06-12T21:59:59Z", false),
            ("2026-06-12T23:00:00Z", true),
            ("2026-06-13T05:59:59Z", true),
            ("2026-06-13T06:00:00Z", false),
        ],
    );
}

#[test]
fn days_without_hours_are_whole() {
    check(
        "days = [\"sun\", \"sat\"]\nzone = \"America/New_York\"",
        &[
            ("2026-06-13T03:59:59Z", false),
            ("2026-06-13T04:00:00Z", true),
            ("2026-06-15T03:59:59Z", true),
            ("2026-06-15T04:00:00Z", false),
        ],
    );
}

#[test]
fn clocks_that_are_put_forward_skip_no_more_than_they_must() {
    // 2026-03-29 at 01:00Z it becomes 03:00 in Berlin.
    let zone = "zone = \"Europe/Berlin\"";
    check(
        &format!("from = \"02:30\"\nto = \"04:00\"\n{zone}"),
        &[
            ("2026-03-29T00:59:59Z", false),
            ("2026-03-29T01:00:00Z", true),
            ("2026-03-29T01:59:59Z", true),
            ("2026-03-29T02:00:00Z", false),
        ],
    );
    check(
        &format!("from = \"01:00\"\nto = \"02:00\"\n{zone}"),
        &[
            ("2026-03-29T00:59:59Z", true),
            ("2026-03-29T01:00:00Z", false),
        ],
    );
    check(
        &format!("from = \"02:15\"\nto = \"02:45\"\n{zone}"),
        &[
            ("2026-03-29T00:59:59Z", false),
            ("2026-03-29T01:00:00Z", false),
            ("2026-03-29T01:30:00Z", false),
            ("2026-03-30T00:30:00Z", true),
        ],
    );
    // Cairo skips the first hour of the day.
    check(
        "days = [\"fri\"]\nzone = \"Africa/Cairo\"",
        &[
            ("2026-04-23T21:59:59Z", false),
            ("2026-04-23T22:00:00Z", true),
            ("2026-04-24T20:59:59Z", true),
            ("2026-04-24T21:00:00Z", false),
        ],
    );
}

#[test]
fn clocks_that_are_put_back_let_a_window_hold_for_both_hours() {
    // 2026-10-25 at 01:00Z it becomes 02:00 again in Berlin.
    let zone = "zone = \"Europe/Berlin\"";
    check(
        &format!("from = \"02:30\"\nto = \"05:00\"\n{zone}"),
        &[
            ("2026-10-25T00:29:59Z", false),
            ("2026-10-25T00:30:00Z", true),
            ("2026-10-25T01:15:00Z", true),
            ("2026-10-25T03:59:59Z", true),
            ("2026-10-25T04:00:00Z", false),
        ],
    );
    check(
        &format!("from = \"01:00\"\nto = \"02:30\"\n{zone}"),
        &[
            ("2026-10-24T23:00:00Z", true),
            ("2026-10-25T00:45:00Z", true),
            ("2026-10-25T01:29:59Z", true),
            ("2026-10-25T01:30:00Z", false),
        ],
    );
    // Havana shows the first hour of the day twice.
    check(
        "days = [\"sun\"]\nzone = \"America/Havana\"",
        &[
            ("2026-11-01T03:59:59Z", false),
            ("2026-11-01T04:00:00Z", true),
            ("2026-11-01T05:30:00Z", true),
            ("2026-11-02T04:59:59Z", true),
            ("2026-11-02T05:00:00Z", false),
        ],
    );
    // St. John's went back from one minute past midnight, into the day before.
    check(
        "days = [\"sun\"]\nfrom = \"00:00\"\nto = \"06:00\"\nzone = \"America/St_Johns\"",
        &[
            ("2009-11-01T02:29:59Z", false),
            ("2009-11-01T02:30:00Z", true),
            ("2009-11-01T03:00:00Z", true),
            ("2009-11-01T09:29:59Z", true),
            ("2009-11-01T09:30:00Z", false),
        ],
    );
}

#[test]
fn the_reason_says_until_when() {
    let policy = policy(
        r#"
        [[refusal]]
        reason = "the weekend is quiet"
        [[refusal.window]]
        days = ["fri"]
        from = "16:00"
        to = "24:00"
        [[refusal.window]]
        from = "2026-06-12T00:00:00Z"
        to = "2026-06-13T12:00:00Z"
        "#,
    );
    let friday = time("2026-06-12T17:00:00Z");
    let decision = policy.decide(&Principal::local(), &attempt(Action::Test), friday);
    let Decision::Refused { why, .. } = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(why, "the weekend is quiet (until 2026-06-13T12:00:00Z)");
}

#[test]
fn what_is_no_window_is_refused_with_the_reason() {
    for (text, expected) in [
        ("", "needs `from`, `to` or `days`"),
        ("zone = \"UTC\"", "needs `from`, `to` or `days`"),
        (
            "days = [\"friday\"]",
            "`friday` is no day; write one of mon",
        ),
        ("days = [\"fri\"]\nfrom = \"16:00\"", "both `from` and `to`"),
        ("to = \"16:00\"", "both `from` and `to`"),
        ("from = \"16:00\"\nto = \"16:00\"", "later than `from`"),
        (
            "from = \"25:00\"\nto = \"26:00\"",
            "neither a point in time",
        ),
        ("from = \"tomorrow\"", "neither a point in time"),
        ("from = \"2026-12-20\"", "neither a point in time"),
        ("from = 2026-12-20T00:00:00", "neither a point in time"),
        ("from = 1", "a point in time such as"),
        (
            "from = \"2026-12-20T00:00:00Z\"\nto = \"2026-12-20T00:00:00Z\"",
            "later than `from`",
        ),
        (
            "from = \"2026-12-20T00:00:00Z\"\nto = \"16:00\"",
            "write two windows",
        ),
        (
            "from = \"2026-12-20T00:00:00Z\"\ndays = [\"fri\"]",
            "both `from` and `to`",
        ),
        (
            "from = \"2026-12-20T00:00:00Z\"\nzone = \"UTC\"",
            "write two windows",
        ),
        (
            "days = [\"fri\"]\nzone = \"Europe/Berlim\"",
            "no time zone; did you mean `Europe/Berlin`?",
        ),
        ("form = \"16:00\"", "unknown field `form`"),
    ] {
        let complaint = complaint(text);
        assert!(complaint.contains(expected), "{text}: {complaint}");
    }
}

#[test]
fn a_window_reads_back_as_written() {
    for text in [
        "from = \"2026-12-20T00:00:00Z\"",
        "from = \"2026-12-20T00:00:00Z\"\nto = \"2027-01-02T00:00:00Z\"",
        "days = [\"sun\", \"fri\"]\nfrom = \"16:00\"\nto = \"24:00\"\nzone = \"Europe/Berlin\"",
        "days = [\"fri\"]",
    ] {
        let window = window(text);
        let again = toml::to_string(&window).expect("text");
        assert_eq!(super::windows::window(&again), window, "{again}");
    }
}
