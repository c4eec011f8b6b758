//! Every device of this build that answers computes, differentiates, repeats its random numbers
//! and has the same number types.
//!
//! `KILN_TEST_BACKENDS=flex,wgpu` names backends that must answer; one that does not fails here.

use burn::tensor::{DType, Distribution, Int, Tensor};
use kiln_backend::{
    BackendError, BackendName, Determinism, DeviceSpec, compiled_in, device_memory, list_devices,
    open, probe, process_memory, seed,
};
use kiln_testing::{devices, lock_generator};

#[test]
fn a_matrix_product_and_its_gradient_are_exact_on_every_device() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let left = Tensor::<2>::from_floats([[1., 2., 3.], [4., 5., 6.]], &device).require_grad();
        let right = Tensor::<2>::from_floats([[7., 8.], [9., 10.], [11., 12.]], &device);
        let product = left.clone().matmul(right.require_grad());
        // The gradient of the sum with respect to `left` holds the row sums of `right`.
        let mut gradients = product.clone().sum().backward();
        let gradient = left.grad_remove(&mut gradients).unwrap();
        let read = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();
        assert_eq!(read(product), [58., 64., 139., 154.], "{name}");
        assert_eq!(read(gradient), [15., 19., 23., 15., 19., 23.], "{name}");
        eprintln!("{name}: product and gradient are exact");
    }
}

#[test]
fn floats_are_single_precision_and_integers_32_bits_except_on_libtorch() {
    for (name, device) in devices() {
        let floats = Tensor::<1>::from_floats([0.5], &device);
        let ints = Tensor::<1, Int>::from_data([2_i64, 0, 1], &device);
        assert_eq!(floats.dtype(), DType::F32, "{name}");
        // Burn's libtorch backend knows no other.
        let wide = name.starts_with("tch");
        assert_eq!(
            ints.dtype(),
            if wide { DType::I64 } else { DType::I32 },
            "{name}"
        );
    }
}

#[test]
fn default_integers_select_gather_and_scatter_back_on_every_device() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let table = Tensor::<2>::from_floats([[1., 2.], [3., 4.], [5., 6.]], &device);
        let table = table.require_grad();
        let rows = Tensor::<1, Int>::from_data([2, 0, 2], &device);
        let columns = Tensor::<2, Int>::from_data([[1], [0], [1]], &device);
        let taken = table.clone().select(0, rows).gather(1, columns);
        let mut gradients = taken.clone().sum().backward();
        let gradient = table.grad_remove(&mut gradients).unwrap();
        let read = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();
        assert_eq!(read(taken), [6., 1., 6.], "{name}");
        assert_eq!(read(gradient), [1., 0., 0., 0., 0., 2.], "{name}");
    }
}

#[test]
fn the_same_seed_draws_the_same_numbers_and_another_seed_others() {
    let _lock = lock_generator();
    for (name, device) in devices() {
        let draw = |number: u64| {
            seed(&device, number);
            Tensor::<1>::random([64], Distribution::Default, &device)
                .try_into_vec_as::<f32>()
                .unwrap()
        };
        let (first, again, other) = (draw(7), draw(7), draw(8));
        assert_eq!(first, again, "{name}");
        assert_ne!(first, other, "{name}");
    }
}

#[test]
fn opening_again_gives_the_same_device() {
    for (name, device) in devices() {
        assert_eq!(open(&name.parse().unwrap()).unwrap(), device, "{name}");
    }
}

#[test]
fn every_compiled_in_backend_has_a_row_in_the_list() {
    let reports = list_devices();
    for report in &reports {
        eprintln!("{}", serde_json::to_string(report).unwrap());
        assert_eq!(report.error.is_none(), report.operation_seconds.is_some());
        assert_eq!(report.error.is_none(), !report.description.is_empty());
    }
    for backend in compiled_in() {
        let has_row = reports.iter().any(|row| row.backend == backend.as_str());
        assert_eq!(has_row, backend != BackendName::Remote, "{backend}");
    }
}

#[test]
fn an_index_beyond_the_list_is_answered_with_the_list() {
    for (name, _) in devices() {
        let spec: DeviceSpec = name.parse().unwrap();
        let far = match spec.backend {
            BackendName::Flex | BackendName::Ndarray => continue,
            BackendName::Tch => "tch:cuda:77".to_owned(),
            other => format!("{other}:77"),
        };
        let error = open(&far.parse().unwrap()).unwrap_err();
        assert!(
            matches!(error, BackendError::NoSuchDevice { .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("backend {far}: no such device; ")),
            "{text}"
        );
        assert!(text.contains(&format!("has {name}")), "{text}");
        let report = probe(&far.parse().unwrap());
        assert_eq!((report.device, report.error), (None, Some(text)));
    }
}

#[test]
fn a_backend_that_is_absent_or_does_not_answer_is_an_error_of_one_line() {
    for backend in BackendName::ALL {
        let spec: DeviceSpec = match DeviceSpec::first(backend) {
            Some(spec) => spec,
            // Port 9 discards, if anything listens at all.
            None => "remote:ws://127.0.0.1:9".parse().unwrap(),
        };
        if let Err(error) = open(&spec) {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text}");
            assert!(text.starts_with(&format!("backend {backend}")), "{text}");
            let absent = matches!(error, BackendError::NotCompiledIn { .. });
            assert_eq!(absent, !backend.is_compiled_in(), "{text}");
        } else {
            assert!(backend.is_compiled_in());
        }
    }
}

#[test]
fn only_the_pure_rust_backends_promise_the_last_bit() {
    let bitwise: Vec<BackendName> = BackendName::ALL
        .into_iter()
        .filter(|name| name.determinism() == Determinism::Bitwise)
        .collect();
    assert_eq!(bitwise, [BackendName::Flex, BackendName::Ndarray]);
}

#[test]
fn memory_is_told_where_the_allocator_tells_it() {
    for (name, device) in devices() {
        let held = Tensor::<1>::ones([1 << 20], &device);
        assert_eq!(held.clone().sum().into_scalar::<f32>(), (1 << 20) as f32);
        let spec: DeviceSpec = name.parse().unwrap();
        match (spec.backend, device_memory(&device)) {
            (BackendName::Flex | BackendName::Ndarray | BackendName::Tch, memory) => {
                assert_eq!(memory, None, "{name}");
            }
            (_, Some(memory)) => {
                assert!(memory.in_use >= 4 << 20, "{name}: {memory:?}");
                assert!(memory.reserved >= memory.in_use, "{name}: {memory:?}");
            }
            (_, None) => panic!("{name}: no memory figures"),
        }
        drop(held);
    }
    if cfg!(target_os = "linux") {
        assert!(process_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
