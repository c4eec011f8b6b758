//! Help as it is printed; review a change like code.

use crate::command::kiln;

fn help(command: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    kiln(folder.path(), &format!("{command} --help")).ok()
}

#[test]
fn help_of_the_program_lists_every_command() {
    insta::assert_snapshot!(help(""));
}

#[test]
fn help_of_pretrain_tells_unit_default_and_trade_off_of_every_flag() {
    insta::assert_snapshot!(help("pretrain"));
}

#[test]
fn help_of_the_other_commands_has_two_examples_each() {
    for command in [
        "backends",
        "tokenizer train",
        "prepare",
        "pretrain",
        "resume",
        "predict fill-mask",
        "predict replaced-tokens",
        "predict embed",
        "forward",
        "report",
        "cache list",
        "cache clear",
    ] {
        let help = help(command);
        let examples = help.split("Examples:").nth(1).unwrap_or_default();
        let count = examples.matches("  kiln ").count() + examples.matches("$(kiln ").count();
        assert!(count >= 2, "{command}: {help}");
    }
}

#[test]
fn help_of_forward_and_predict() {
    insta::assert_snapshot!("forward", help("forward"));
    insta::assert_snapshot!("fill_mask", help("predict fill-mask"));
    insta::assert_snapshot!("replaced_tokens", help("predict replaced-tokens"));
    insta::assert_snapshot!("embed", help("predict embed"));
}
