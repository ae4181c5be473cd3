//! How tensor operations are run here: without gradients, on one thread a call, and with errors of one line and the right kind.

use convert_sdk::{Error, ErrorKind, Result};
use tch::{TchError, Tensor};

thread_local! {
    /// Set up once in each calling thread: OpenMP keeps the number of threads for each thread that starts work.
    static SINGLE_THREADED: () = tch::set_num_threads(1);
}

/// Runs tensor operations without recording gradients, on the calling thread alone, and makes libtorch's message one line.
///
/// One thread a call, because the host already works on as many images at once as there are threads, and because sums then never depend on how work was split.
///
/// # Errors
/// What libtorch says: of kind [`ErrorKind::OutOfMemory`] where memory was used up, of kind [`ErrorKind::Device`] where the device failed, else
/// [`ErrorKind::Other`].
pub fn torch<T>(run: impl FnOnce() -> Result<T, TchError>) -> Result<T> {
    SINGLE_THREADED.with(|()| ());
    tch::no_grad(run).map_err(|error| match error {
        TchError::Torch(message) => described(&message),
        other => described(&other.to_string()),
    })
}

/// Bytes of a tensor's numbers.
pub fn bytes_of(tensor: &Tensor) -> u64 {
    (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64
}

/// What a text of libtorch means, and what helps.
struct Meaning {
    kind: ErrorKind,
    /// Any of these in a line of the text, in lower case.
    signs: &'static [&'static str],
    help: &'static str,
}

/// The first that fits counts. The texts are those of PyTorch 2.11: `CUDACachingAllocator.cpp`, `CPUAllocator.cpp`, `CUDAException.cpp`, `CUDAFunctions.cpp`,
/// `ATen/cuda/Exceptions.h`. A library that runs out of memory of its own, such as cuBLAS for its workspace, says so by a status.
const MEANINGS: [Meaning; 3] = [
    Meaning {
        kind: ErrorKind::OutOfMemory,
        signs: &[
            "cuda out of memory",
            "cuda error: out of memory",
            "cuda driver error: out of memory",
            "cuda_error_out_of_memory",
            "status_alloc_failed",
            "device_allocation_failed",
            "host_allocation_failed",
        ],
        help: "the device's memory is too small for this batch: fewer images at once, a smaller input_size, a card with more memory or --device cpu helps",
    },
    Meaning {
        kind: ErrorKind::OutOfMemory,
        signs: &["defaultcpuallocator", "c10 out of memory", "std::bad_alloc", "not enough memory", "cannot allocate memory"],
        help: "the machine's memory is too small: fewer threads or a smaller input_size helps",
    },
    Meaning {
        kind: ErrorKind::Device,
        signs: &[
            "cuda error",
            "cuda driver error",
            "cuda kernel errors",
            "cuda unknown error",
            "cuda driver initialization failed",
            "cudagetdevicecount",
            "cublas_status_",
            "cublaslt",
            "cudnn error",
            "cudnn frontend error",
            "cudnn_status_",
            "cusolver error",
            "cusolver_status_",
            "cusparse_status_",
            "cudss error",
            "cufft error",
            "nvrtc",
            "nccl error",
            "device-side assert",
            "no cuda gpus are available",
            "found no nvidia driver",
            "the nvidia driver on your system is too old",
        ],
        help: "the device failed: look at it with nvidia-smi, take another card (--device cuda:N), or --device cpu",
    },
];

/// The error of a text: its first line, or the one that says what it means, behind what helps.
fn described(text: &str) -> Error {
    // What follows is the stack at which it was thrown.
    let text = text.split("\nException raised from").next().unwrap_or_default();
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    for Meaning { kind, signs, help } in &MEANINGS {
        let tells = |line: &&str| signs.iter().any(|sign| line.to_ascii_lowercase().contains(sign));
        if let Some(line) = lines().find(tells) {
            return Error { kind: *kind, message: (*help).to_owned(), causes: vec![format!("libtorch: {line}")] };
        }
    }
    // The interpreter of modules tells its traceback first.
    let told = lines().find(|line| line.starts_with("RuntimeError: ")).or_else(|| lines().next());
    Error::new(ErrorKind::Other, format!("libtorch: {}", told.unwrap_or("no message")))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn what_libtorch_says_has_the_right_kind() {
        use ErrorKind::{Device, Other, OutOfMemory};
        let cases = [
            (
                OutOfMemory,
                "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 139.80 GiB of which 10.00 MiB is free. Process 7 has 139.79 GiB \
                 memory in use.\nException raised from malloc at CUDACachingAllocator.cpp:1391",
            ),
            (OutOfMemory, "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call."),
            (OutOfMemory, "CUDA driver error: out of memory"),
            (OutOfMemory, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            (OutOfMemory, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
            (OutOfMemory, "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
            (
                OutOfMemory,
                "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes. Error \
                 code 12 (Cannot allocate memory)",
            ),
            (OutOfMemory, "unable to mmap 400 bytes from file <a>: Cannot allocate memory (12)"),
            (OutOfMemory, "std::bad_alloc"),
            (
                OutOfMemory,
                "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most recent call last):\n  File \"a.py\", line 3, in \
                 forward\nRuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            ),
            (
                Device,
                "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at some other API call.",
            ),
            (Device, "CUDA error: device-side assert triggered"),
            (Device, "CUDA error: uncorrectable ECC error encountered"),
            (Device, "CUDA error: unspecified launch failure"),
            (Device, "CUDA error: no kernel image is available for execution on the device"),
            (Device, "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb)`"),
            (Device, "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
            (Device, "cuDNN Frontend error: [cudnn_frontend] Error: No execution plans support the graph."),
            (Device, "cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`"),
            (Device, "No CUDA GPUs are available"),
            (Device, "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before? Error 802: system not yet initialized"),
            (Other, "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
            // The stack names libraries of CUDA; it says nothing of the cause.
            (
                Other,
                "shape '[3]' is invalid for input of size 4\nException raised from c10_cuda_check at x.cpp:1\nframe #0: CUDA error (libtorch_cuda.so)",
            ),
            (
                Other,
                "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most recent call last):\nRuntimeError: The size of \
                 tensor a (3) must match the size of tensor b (4)",
            ),
        ];
        for (kind, text) in cases {
            let error = described(text);
            assert_eq!(error.kind, kind, "{text}");
            assert!(!error.to_string().contains('\n') && error.to_string().contains("libtorch: "), "{error}");
            assert!(kind == Other || error.message.contains("helps") || error.message.contains("--device cpu"), "{error}");
        }
        assert!(described(cases[23].1).to_string().ends_with("RuntimeError: The size of tensor a (3) must match the size of tensor b (4)"));
        assert!(described("").to_string().contains("no message"));
    }

    /// This libtorch's own words, not ours.
    #[test]
    fn too_large_a_tensor_of_the_cpu_is_out_of_memory_and_a_wrong_shape_is_not() {
        let error = torch(|| Tensor::f_empty([1 << 55], (Kind::Float, Device::Cpu))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutOfMemory, "{error}");
        let error = torch(|| Tensor::f_zeros([2, 3], (Kind::Float, Device::Cpu))?.f_view([5])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other, "{error}");
    }
}
