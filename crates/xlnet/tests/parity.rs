//! Every reference case on every device: outputs, new memories, losses, gradients.

use kiln_testing::check_parity;
use kiln_xlnet::forward;

#[test]
fn outputs_losses_and_gradients_are_the_references() {
    check_parity("xlnet", env!("CARGO_MANIFEST_DIR"), forward);
}
