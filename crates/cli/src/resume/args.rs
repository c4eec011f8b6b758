//! The flags of `kiln resume`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser as _};

use super::changes::ChangeArgs;
use super::fixed::FixedArgs;
use super::given::GivenFlags;
use crate::corpus_place::PlaceArgs;
use crate::failure::Failure;
use crate::show_args::ShowArgs;

const EXAMPLES: &str = "Examples:
  kiln resume runs/first
  kiln resume runs/first --backend cuda:1
  kiln resume runs/first --steps 20000 --lr 5e-5
  kiln resume moved/first --corpus elsewhere/text.txt

Exit code: 0 when the run is done, 1 when it fails, 2 when the command is wrong; 130 when Ctrl-C
stopped it and 143 when SIGTERM did, after it was saved";

// Which run, what to change of it, and how to watch it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ResumeArgs {
    // Before those whose flags it looks at: they take them.
    #[command(flatten)]
    pub(super) given: GivenFlags,
    /// The run's folder. Its settings are in it, and hold unless others are given; --backend moves it
    /// to another device, or to several
    #[arg(value_name = "RUN")]
    pub(super) run: PathBuf,
    /// Go on from the checkpoint of this step instead of the newest; newer ones are set aside, in
    /// RUN/set-aside
    #[arg(long, value_name = "N")]
    pub(super) from_step: Option<u64>,
    #[command(flatten)]
    pub(super) show: ShowArgs,
    #[command(flatten)]
    pub(super) changes: ChangeArgs,
    #[command(flatten)]
    pub(super) places: PlaceArgs,
    #[command(flatten)]
    pub(super) fixed: FixedArgs,
}

/// The arguments of `kiln resume` for the run in `path`, changing nothing of it.
///
/// # Errors
/// If the path is none.
pub(crate) fn unchanged(path: &Path, dashboard: bool) -> Result<ResumeArgs, Failure> {
    #[derive(clap::Parser)]
    struct Words {
        #[command(flatten)]
        args: ResumeArgs,
    }
    match Words::try_parse_from([OsStr::new("kiln"), path.as_os_str()]) {
        Ok(Words { args }) => {
            let show = ShowArgs {
                dashboard,
                ..args.show
            };
            Ok(ResumeArgs { show, ..args })
        }
        Err(error) => Err(Failure::usage(error)),
    }
}
