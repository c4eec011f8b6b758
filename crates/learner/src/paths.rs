//! The path of the parameter that a visitor or mapper stands at.

/// Names from the root down, joined by dots on demand: `bert.encoder.layer.0.output.dense.weight`.
#[derive(Debug, Default)]
pub(crate) struct PathStack(Vec<String>);

impl PathStack {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    /// The whole path.
    pub(crate) fn joined(&self) -> String {
        self.0.join(".")
    }
}
