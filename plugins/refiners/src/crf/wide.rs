//! The machine's wider vectors, where it has them.
//!
//! Multiplications and additions stay apart (no fused ones), so that every machine gives the same bits.
#![expect(unsafe_code, reason = "calling code for instructions that the processor was asked for")]

/// What is compiled for AVX2 as well as for any machine of its kind. `perform`, and all it calls that is to gain, must be inlined always.
pub(super) trait Work {
    /// What comes out.
    type Output;
    fn perform(self) -> Self::Output;
}

/// Does the work with what this machine has.
pub(super) fn run<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just asked.
        return unsafe { with_avx2(work) };
    }
    work.perform()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<W: Work>(work: W) -> W::Output {
    work.perform()
}
