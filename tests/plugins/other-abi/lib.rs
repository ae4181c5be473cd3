//! A library that says it was built for another ABI version.

/// No convert has this version.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static convert_plugin_abi: u32 = 999;
