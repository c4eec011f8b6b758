//! Fixtures, devices, bounds and closeness reports for Kiln tests
