//! Numbers for tests that are the same every time: a linear congruential generator (Knuth's MMIX), of which the upper
//! bits are used.

/// The generator.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// All 64 bits of the next state.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }

    /// A number below another one.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        (self.bits() >> 33) % end
    }
}
