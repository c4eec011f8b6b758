//! One step-counted training loop for every objective: optimizer, schedules, checkpoints, exact resume
