//! The form that versions and constraints share.

/// A version's parts, without what sets them apart. Absent ones are empty.
pub(super) struct Parts<'t> {
    pub(super) major: &'t str,
    pub(super) minor: &'t str,
    pub(super) patch: &'t str,
    pub(super) pre: &'t str,
}

/// The longest version that a text begins with, and what follows it; build metadata is passed over. `is_digit` says
/// what its numbers may be made of.
pub(super) fn version(text: &str, is_digit: fn(char) -> bool) -> Option<(Parts<'_>, &str)> {
    let rest = text.strip_prefix('v').unwrap_or(text);
    let (major, rest) = some(rest, is_digit)?;
    let (minor, rest) = after('.', rest, |text| some(text, is_digit));
    let (patch, rest) = after('.', rest, |text| some(text, is_digit));
    let (pre, rest) = after('-', rest, identifiers);
    let (_, rest) = after('+', rest, identifiers);
    let parts = Parts {
        major,
        minor,
        patch,
        pre,
    };
    Some((parts, rest))
}

/// Nothing, unless both the mark and what belongs after it are there.
fn after<'t>(
    mark: char,
    text: &'t str,
    read: impl FnOnce(&'t str) -> Option<(&'t str, &'t str)>,
) -> (&'t str, &'t str) {
    text.strip_prefix(mark).and_then(read).unwrap_or(("", text))
}

fn identifiers(text: &str) -> Option<(&str, &str)> {
    let identifier = |text| some(text, |c| c.is_ascii_alphanumeric() || c == '-');
    let (_, mut rest) = identifier(text)?;
    while let Some((_, next)) = rest.strip_prefix('.').and_then(identifier) {
        rest = next;
    }
    text.split_at_checked(text.len() - rest.len())
}

fn some(text: &str, accept: fn(char) -> bool) -> Option<(&str, &str)> {
    let end = text.find(|c| !accept(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}
