//! Plain text: what others wrote, without the signs that move or hide what stands beside them.

/// A text with an escape for each sign that a terminal or the reader of a log might obey: control characters, ends of
/// lines, changes of direction, and what has no width.
///
/// ```
/// use tallystick_contract::plain::plain;
///
/// assert_eq!(plain("größe 5".to_owned()), "größe 5");
/// assert_eq!(plain("LAMP\u{1b}[2J\u{202e}".to_owned()), "LAMP\\u{1b}[2J\\u{202e}");
/// ```
pub fn plain(text: String) -> String {
    if !text.chars().any(is_obeyed) {
        return text;
    }
    let mut seen = String::with_capacity(text.len() + 8);
    for sign in text.chars() {
        if is_obeyed(sign) {
            seen.extend(sign.escape_unicode());
        } else {
            seen.push(sign);
        }
    }
    seen
}

const fn is_obeyed(sign: char) -> bool {
    matches!(sign,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
