//! A message's elements and an object's members: text cut by its brackets and strings. Judges no JSON beyond that.

/// What a look at brackets and strings tells of a text that begins with a bracket.
struct Brackets {
    /// Where the outermost bracket's commas stand.
    commas: Vec<usize>,
    /// How deep brackets nest; the outermost is 1.
    depth_max: usize,
}

impl Brackets {
    /// Nothing where the outermost bracket does not close exactly at the end. Inside, brackets are counted whatever
    /// their kind: an element that mixes them up is malformed, and its neighbours are not.
    fn read(text: &[u8]) -> Option<Self> {
        let is_array = text.first() == Some(&b'[');
        let mut depth = 0;
        let mut brackets = Self { commas: Vec::new(), depth_max: 0 };
        let mut is_string = false;
        let mut is_escaped = false;
        for (place, byte) in text.iter().enumerate() {
            if is_string {
                is_string = is_escaped || *byte != b'"';
                is_escaped = !is_escaped && *byte == b'\\';
                continue;
            }
            match byte {
                b'"' => is_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b',' if depth == 1 => brackets.commas.push(place),
                _ => {}
            }
            if depth == 0 {
                let is_end = place + 1 == text.len() && (!is_array || *byte == b']');
                return is_end.then_some(brackets);
            }
            brackets.depth_max = brackets.depth_max.max(depth);
        }
        None
    }
}

/// The elements of a message, without surrounding white space; nothing for a message that cannot be split.
pub(super) fn elements(message: &[u8]) -> Option<Vec<&[u8]>> {
    let text = trim(message);
    match text.first() {
        Some(b'[') => slots(text),
        Some(b'{') if Brackets::read(text).is_some() => Some(vec![text]),
        Some(b'{') => {
            let first_balances = Brackets::read(lines(text)[0]).is_some();
            let later_begins = text.split(|byte| *byte == b'\n').skip(1).any(|line| line.starts_with(b"{"));
            // Neither form: one element, and no JSON.
            Some(if first_balances || later_begins { lines(text) } else { vec![text] })
        }
        _ => None,
    }
}

/// The lines that are not blank, without surrounding white space.
pub(super) fn lines(buffer: &[u8]) -> Vec<&[u8]> {
    buffer.split(|byte| *byte == b'\n').map(trim).filter(|line| !line.is_empty()).collect()
}

/// What stands between the commas of the outermost bracket, without surrounding white space; nothing where brackets do
/// not balance.
pub(super) fn slots(text: &[u8]) -> Option<Vec<&[u8]>> {
    let commas = Brackets::read(text)?.commas;
    let end = text.len() - 1;
    if trim(&text[1..end]).is_empty() {
        return Some(Vec::new());
    }
    let starts = std::iter::once(1).chain(commas.iter().map(|comma| comma + 1));
    let ends = commas.iter().copied().chain([end]);
    Some(starts.zip(ends).map(|(start, end)| trim(&text[start..end])).collect())
}

/// How deep brackets nest in a text that begins with one; nothing where they do not balance.
pub(super) fn depth(text: &[u8]) -> Option<usize> {
    Brackets::read(text).map(|brackets| brackets.depth_max)
}

/// The text without JSON's white space at both ends.
fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = text.iter().take_while(|byte| is_space(byte)).count();
    let rest = &text[start..];
    let end = rest.iter().rev().take_while(|byte| is_space(byte)).count();
    &rest[..rest.len() - end]
}
