//! Keyed 64-bit hashes of names and ids, for tables and digests. A snapshot keeps digests made of them, so what they
//! give never changes. Folded multiplication as in wyhash (Wang Yi, <https://github.com/wangyi-fudan/wyhash>); the key
//! keeps crafted names from piling up.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Odd numbers without a pattern, as in wyhash.
const PRIMES: [u64; 3] = [0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB, 0x8EBC_6AF0_9C88_C6E3];

/// An odd number whose multiples are spread evenly over 64 bits (2⁶⁴ divided by the golden ratio).
pub const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Names up to this length are hashed as two words; those beyond it by XXH3.
pub const SHORT_BYTES_MAX: usize = 15;

/// Both halves of a product, folded.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product >> 64) as u64 ^ product as u64
}

/// The hash of two words.
#[inline]
pub const fn of_words(seed: u64, low: u64, high: u64) -> u64 {
    fold(fold(low ^ PRIMES[0] ^ seed, high ^ PRIMES[1]) ^ seed, PRIMES[2])
}

/// The hash of a name: of its [`pack`] if it has one.
#[inline]
pub fn of_name(seed: u64, name: &str) -> u64 {
    pack(name).map_or_else(|| xxh3_64_with_seed(name.as_bytes(), seed), |[low, high]| of_words(seed, low, high))
}

/// A short name as two words: its bytes, then zeros, then its length in the last byte. Nothing for a longer one.
///
/// ```
/// use tallystick_tables::hash::pack;
///
/// assert_eq!(pack("AB"), Some([0x4241, 2 << 56])); // `A` is 0x41 and stands first
/// assert_eq!(pack("sixteen letters!"), None);
/// ```
#[inline]
pub fn pack(name: &str) -> Option<[u64; 2]> {
    let bytes = name.as_bytes();
    let length = bytes.len();
    if length > SHORT_BYTES_MAX {
        return None;
    }
    let mark = (length as u64) << 56;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        // The last eight bytes overlap the first; what overlaps is shifted out.
        let rest = if length == 8 { 0 } else { u64::from_le_bytes(*last) >> (8 * (16 - length)) };
        return Some([u64::from_le_bytes(*first), rest | mark]);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)));
        return Some([first | last << (8 * (length - 4)), mark]);
    }
    let low = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    Some([low, mark])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_name_is_its_bytes_and_its_length() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        for length in 0..=text.len() {
            let packed = pack(&text[..length]);
            let mut expected = [0_u8; 16];
            if length > SHORT_BYTES_MAX {
                assert_eq!(packed, None);
                continue;
            }
            expected[..length].copy_from_slice(&text.as_bytes()[..length]);
            expected[15] = u8::try_from(length).unwrap();
            let [low, high] = packed.unwrap();
            assert_eq!([low.to_le_bytes(), high.to_le_bytes()].concat(), expected, "{length}");
        }
    }

    #[test]
    fn hashes_never_change() {
        assert_eq!(of_name(7, "SKU-1"), of_words(7, 0x0031_2D55_4B53, 5 << 56));
        assert_eq!(of_words(7, 1, 2), 14_164_510_265_710_170_201);
    }
}
