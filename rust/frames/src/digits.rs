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

/// Eight digits at once, if they are digits.
fn parse_eight(digits: [u8; 8]) -> Option<u64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let word = u64::from_le_bytes(digits);
    // A digit has 3 in its upper half, also after 6 is added: nothing above 9 has.
    let beyond = word.wrapping_add(0x0606_0606_0606_0606);
    if (word & beyond) & 0xf0f0_f0f0_f0f0_f0f0 != ZEROS || (word | beyond) & 0xf0f0_f0f0_f0f0_f0f0 != ZEROS {
        return None;
    }
    Some(join_eight(word - ZEROS))
}

/// Eight digits from 0 to 9: neighbours are joined to pairs, pairs to fours, fours to eight, in the lanes of one word.
fn join_eight(ones: u64) -> u64 {
    let pairs = ones.wrapping_mul(10).wrapping_add(ones >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// The number that some bytes begin with, and its digits' count. Nothing if there is no digit, or too many of them, or
/// if what follows does not leave room to look at eight bytes at once: whoever needs the answer then asks [`parse`].
pub(crate) fn leading(bytes: &[u8]) -> Option<(u64, usize)> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let mut number = 0_u64;
    let mut count = 0;
    loop {
        let (eight, _) = bytes.get(count..)?.split_first_chunk::<8>()?;
        let word = u64::from_le_bytes(*eight) ^ ZEROS;
        // A byte's top bit is set where it is no digit: above 9, or above 127 already.
        let beyond = (((word & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
        if beyond == 0 {
            if count == 16 {
                return None;
            }
            number = number * 100_000_000 + join_eight(word);
            count += 8;
            continue;
        }
        let digits = beyond.trailing_zeros() / 8;
        count += digits as usize;
        if count == 0 || count > DIGITS_MAX {
            return None;
        }
        if digits > 0 {
            // Moved to the end, with zeros in front.
            number = number * 10_u64.pow(digits) + join_eight(word << (64 - 8 * digits));
        }
        return Some((number, count));
    }
}

#[cfg(test)]
mod tests {
    use super::{leading, parse};

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

    #[test]
    fn a_leading_number_is_what_its_digits_are() {
        for digits in 0..25 {
            for byte in 0..=u8::MAX {
                let mut text = b"12345678901234567890123456789"[..digits].to_vec();
                text.push(byte);
                text.extend(b"/:........");
                let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let expected = parse(&text[..count]).map(|number| (number, count));
                assert_eq!(leading(&text), expected, "{}", text.escape_ascii());
            }
        }
        assert_eq!(leading(b"1234567"), None);
        assert_eq!(leading(b"1234567."), Some((1_234_567, 7)));
        assert_eq!(leading(b"0009999999999999999."), None);
        assert_eq!(leading(b"0009999999999999999.1234567"), Some((9_999_999_999_999_999, 19)));
    }
}
