//! Every reference case of a single model on every device: outputs, losses, gradients.

use kiln_electra::ElectraConfig;
use kiln_tasks::forward::forward;
use kiln_testing::check_parity;

#[test]
fn outputs_losses_and_gradients_are_the_references() {
    check_parity(
        "electra",
        env!("CARGO_MANIFEST_DIR"),
        forward::<ElectraConfig>,
    );
}
