//! Decimal numbers as the protocol writes them: digits and nothing else.

/// As many digits as 64 bits hold whatever they are.
const DIGITS_MAX: usize = 19;

/// The number, unless there is no digit, too many of them, or something else.
pub(crate) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return None;
    }
    let (eights, rest) = digits.as_chunks::<8>();
    let number = eights.iter().try_fold(0, |number, eight| Some(number * 100_000_000 + parse_eight(*eight)?))?;
    rest.iter().try_fold(number, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(number * 10 + u64::from(digit))
    })
}

/// Eight digits at once: neighbours are joined to pairs, pairs to fours, fours to eight, in the lanes of one word.
fn parse_eight(digits: [u8; 8]) -> Option<u64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let word = u64::from_le_bytes(digits);
    // A digit has 3 in its upper half, also after 6 is added: nothing above 9 has.
    let beyond = word.wrapping_add(0x0606_0606_0606_0606);
    if (word & beyond) & 0xf0f0_f0f0_f0f0_f0f0 != ZEROS || (word | beyond) & 0xf0f0_f0f0_f0f0_f0f0 != ZEROS {
        return None;
    }
    let ones = word - ZEROS;
    let pairs = ones.wrapping_mul(10).wrapping_add(ones >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_are_read_like_the_standard_library_does() {
        let texts =
            ["0", "7", "007", "12345678", "99999999", "123456789", "1700000000000000001", "9999999999999999999"];
        for text in texts {
            assert_eq!(parse(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_number() {
        for place in 0..11 {
            for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut text = *b"12345678901";
                text[place] = byte;
                assert_eq!(parse(&text), None, "{}", text.escape_ascii());
            }
        }
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"00000000000000000001"), None);
    }
}
