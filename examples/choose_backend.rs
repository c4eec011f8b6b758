//! Which backends are compiled in, what answers, and one computation on each device.
//!
//! ```text
//! cargo run --release --example choose_backend
//! cargo run --release --example choose_backend --features wgpu -- wgpu
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;

use burn::tensor::Tensor;
use kiln::backend::{BackendName, choose, compiled_in, open};

fn main() -> Result<(), Box<dyn Error>> {
    let names: Vec<&str> = compiled_in().into_iter().map(BackendName::as_str).collect();
    println!("compiled in: {}", names.join(", "));

    // The argument, else the variable KILN_BACKEND, else the best of those compiled in.
    let asked = std::env::args().nth(1);
    let spec = choose(asked.as_deref())?;
    let device = open(&spec)?;
    println!("running on:  {spec}");

    // From here on nothing depends on the backend; `autodiff` makes the same device track
    // gradients.
    let device = device.autodiff();
    let x = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device).require_grad();
    let gradients = x.clone().matmul(x.clone()).sum().backward();
    if let Some(gradient) = x.grad(&gradients) {
        println!("gradient of sum(x x): {gradient}");
    }
    Ok(())
}
