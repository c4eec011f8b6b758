//! `kiln backends`: what is compiled in, and what answers.

use clap::Args;
use kiln_backend::{BackendName, DeviceReport, compiled_in, list_devices, probe};
use serde::Serialize;

use crate::console::Console;
use crate::devices;
use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  kiln backends
  kiln backends --json --backend wgpu";

// Lists the backends of this build.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackendsArgs {
    /// Print one JSON object: compiled_in, devices, not_compiled_in, default. Default: a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listing {
    compiled_in: Vec<&'static str>,
    devices: Vec<DeviceReport>,
    not_compiled_in: Vec<Absent>,
    /// What a command uses that names no device; null where there is nothing to choose.
    default: Option<String>,
}

#[derive(Serialize)]
struct Absent {
    backend: &'static str,
    command: String,
}

/// Opens every device and multiplies two small matrices on it; fails if none answers.
///
/// # Errors
/// If `--backend` names what is not there, or no device answers.
pub(crate) fn run(
    args: &BackendsArgs,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    let devices = if backend.is_empty() {
        list_devices()
    } else {
        devices::choose(backend)?.iter().map(probe).collect()
    };
    let listing = Listing {
        compiled_in: compiled_in().into_iter().map(BackendName::as_str).collect(),
        devices,
        not_compiled_in: BackendName::ALL
            .into_iter()
            .filter(|name| !name.is_compiled_in())
            .map(|name| Absent {
                backend: name.as_str(),
                command: format!("cargo build --release --features {name}"),
            })
            .collect(),
        default: kiln_backend::default_spec()
            .ok()
            .map(|spec| spec.to_string()),
    };
    if args.json {
        console.json(&listing)?;
    } else {
        print(&listing, console)?;
    }
    if listing.devices.iter().any(|device| device.error.is_none()) {
        Ok(())
    } else {
        Err(Failure::run(
            "no device answers; see the table for what each needs",
        ))
    }
}

fn print(listing: &Listing, console: Console) -> Result<(), Failure> {
    console.out(format_args!(
        "{:<12}{:<10}{:>10}{:>14}  device",
        "backend", "state", "opened", "2x3 by 3x2"
    ))?;
    for device in &listing.devices {
        let name = match &device.device {
            Some(spec) => spec.to_string(),
            None => device.backend.to_owned(),
        };
        match &device.error {
            Some(error) => console.out(format_args!("{name:<12}{:<10}{error}", "silent"))?,
            None => console.out(format_args!(
                "{name:<12}{:<10}{:>10}{:>14}  {}{}",
                "answers",
                milliseconds(device.open_seconds),
                milliseconds(device.operation_seconds),
                device.description,
                if device.software {
                    " (a driver that computes on the processor)"
                } else {
                    ""
                }
            ))?,
        }
    }
    if listing.compiled_in.contains(&"remote") {
        console.out("remote      named by address: --backend remote:ws://host:port")?;
    }
    for absent in &listing.not_compiled_in {
        console.out(format_args!(
            "{:<12}{:<10}add it with: {}",
            absent.backend, "absent", absent.command
        ))?;
    }
    if let Some(default) = &listing.default {
        console.out(format_args!("\nwithout --backend: {default}"))?;
    }
    Ok(())
}

fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!("{:.2} ms", seconds * 1e3))
}
