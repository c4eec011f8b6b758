//! gzip as people have it: several members one after the other, and zeros behind the last.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Reads all members; zeros behind them, with which tapes and disks pad, are the end.
pub(super) struct GzipMembers<R> {
    state: State<R>,
}

enum State<R> {
    Between(R),
    /// Boxed: a decoder is large.
    Inside(Box<GzDecoder<R>>),
    End,
}

impl<R: BufRead> GzipMembers<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            state: State::Between(reader),
        }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Between(mut reader) => {
                    if starts_member(&mut reader)? {
                        self.state = State::Inside(Box::new(GzDecoder::new(reader)));
                    }
                }
                State::Inside(mut decoder) => {
                    let read = decoder.read(buffer)?;
                    if read > 0 {
                        self.state = State::Inside(decoder);
                        return Ok(read);
                    }
                    self.state = State::Between(decoder.into_inner());
                }
            }
        }
    }
}

/// Whether another member follows; the end if not, maybe after zeros.
fn starts_member(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let next = reader.fill_buf()?;
        match next.iter().position(|&byte| byte != 0) {
            // A member's first byte; its decoder checks the others.
            Some(0) if next.first() == Some(&0x1f) => return Ok(true),
            Some(zeros) if zeros > 0 => reader.consume(zeros),
            Some(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "something that is no gzip follows after its end",
                ));
            }
            None if next.is_empty() => return Ok(false),
            None => {
                let zeros = next.len();
                reader.consume(zeros);
            }
        }
    }
}
