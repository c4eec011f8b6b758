//! What is done alike whichever head is meant.

/// The same with the value in whichever variant it is.
macro_rules! each {
    ($value:expr, $Type:ident, $inner:ident => $body:expr) => {
        match $value {
            $Type::Sequence($inner) => $body,
            $Type::Tokens($inner) => $body,
            $Type::Spans($inner) => $body,
            $Type::Choices($inner) => $body,
            $Type::Beam($inner) => $body,
        }
    };
}

/// As [`each!`], the results as the same variant of another type.
macro_rules! mapped {
    ($value:expr, $From:ident => $To:ident, $inner:ident => $body:expr) => {
        match $value {
            $From::Sequence($inner) => $To::Sequence($body),
            $From::Tokens($inner) => $To::Tokens($body),
            $From::Spans($inner) => $To::Spans($body),
            $From::Choices($inner) => $To::Choices($body),
            $From::Beam($inner) => $To::Beam($body),
        }
    };
}

/// As [`each!`], with the same variant of several types: an objective, its model and its batches, which
/// are made by one kind of head.
macro_rules! alike {
    ($(($value:expr, $Type:ident, $inner:ident)),+ => $body:expr) => {
        match ($($value,)+) {
            ($($Type::Sequence($inner),)+) => $body,
            ($($Type::Tokens($inner),)+) => $body,
            ($($Type::Spans($inner),)+) => $body,
            ($($Type::Choices($inner),)+) => $body,
            ($($Type::Beam($inner),)+) => $body,
            _ => unreachable!("a model and its batches have the objective's head"),
        }
    };
}

pub(super) use {alike, each, mapped};
