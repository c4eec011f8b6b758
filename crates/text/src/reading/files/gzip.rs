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
            // Read in place: after an interrupted read all is as it was.
            match &mut self.state {
                State::End => return Ok(0),
                State::Between(reader) => {
                    let goes_on = starts_member(reader)?;
                    if let State::Between(reader) = std::mem::replace(&mut self.state, State::End)
                        && goes_on
                    {
                        self.state = State::Inside(Box::new(GzDecoder::new(reader)));
                    }
                }
                State::Inside(decoder) => {
                    let read = decoder.read(buffer)?;
                    if read > 0 {
                        return Ok(read);
                    }
                    if let State::Inside(decoder) = std::mem::replace(&mut self.state, State::End) {
                        self.state = State::Between(decoder.into_inner());
                    }
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

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::write::GzEncoder;

    use super::*;

    /// Is interrupted before every byte.
    struct Interrupted<'a> {
        content: &'a [u8],
        is_due: bool,
    }

    impl Read for Interrupted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.is_due = !self.is_due;
            if self.is_due {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.content.read(&mut buffer[..1])
        }
    }

    #[test]
    fn an_interrupted_read_loses_nothing() {
        let member = |text: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let content = [member(b"a b"), vec![0; 3], member(b" c"), vec![0; 2]].concat();
        let reader = BufReader::new(Interrupted {
            content: &content,
            is_due: false,
        });
        let mut text = String::new();
        let mut members = GzipMembers::new(reader);
        members.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a b c");
    }
}
