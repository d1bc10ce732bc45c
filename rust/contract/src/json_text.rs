//! Texts that others wrote: as JSON strings, written into what is written already, and in lines for people.

/// Appends a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Writing JSON into memory cannot fail.
    serde_json::to_writer(out, text).expect("a string is always JSON");
}

/// A text with an escape for each sign that a terminal or the reader of a log might obey: control characters, ends of
/// lines, changes of direction, and what has no width.
///
/// ```
/// use tallystick_contract::json_text::plain;
///
/// assert_eq!(plain("größe 5".to_owned()), "größe 5");
/// assert_eq!(plain("LAMP\u{1b}[2J\u{202e}".to_owned()), "LAMP\\u{1b}[2J\\u{202e}");
/// ```
pub fn plain(text: String) -> String {
    // All bytes at once: most texts are printable ASCII.
    let is_odd = text.bytes().fold(false, |is_odd, byte| is_odd | !matches!(byte, b' '..=b'~'));
    if !is_odd || !text.chars().any(is_obeyed) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_as_serde_writes_them() {
        let texts = ["", "SKU-1", "größe", "a\"b", "a\\b", "a\nb", "\u{0}", "\u{1f}", "\u{7f}", "tab\there", "日本"];
        for text in texts {
            let mut out = Vec::new();
            write_string(&mut out, text);
            assert_eq!(out, serde_json::to_vec(text).unwrap());
        }
    }
}
