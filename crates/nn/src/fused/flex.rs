//! x
impl super::FusedOps for burn::backend::Flex {}
