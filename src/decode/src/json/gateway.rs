//! The keys of gateways in an element; see [`super::list`] and [`super::tags`].

use super::cursor::{Cursor, Syntax, Value};
use super::element::{Element, KEY, STATUS};
use super::fields::{gateway_quality, stamp};
use super::keys::{ENVELOPE_BIT, Known, LABEL_BIT, LABELS_BIT, Ranked, Says};
use super::{list, values};
use genims_model::Quality;

impl<'a> Element<'a> {
    /// Reads what stands behind a key that gateways write.
    #[inline(never)]
    pub(super) fn gateway_member(&mut self, known: Known, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        match known.says {
            Says::Value | Says::Sensor | Says::Time(_) | Says::Machine | Says::Quality | Says::Several => {
                self.said(known, cursor)
            }
            Says::Label | Says::MachineLabel | Says::Stamp => self.word_member(known, cursor),
            Says::Data if matches!(cursor.token(), Some(b'{' | b'[')) => self.several(known.bit, cursor),
            Says::Data => self.value(known.bit, known.rank, cursor),
            Says::OpcDa => {
                self.is_opc_da = true;
                cursor.skip()
            }
            Says::List => {
                if cursor.token() == Some(b'{') {
                    self.keys_seen |= 1 << ENVELOPE_BIT;
                }
                let list = list::check(cursor)?;
                self.list(list);
                Ok(())
            }
            Says::Messages => {
                let list = list::check_message(cursor)?;
                self.list(list);
                Ok(())
            }
            Says::Records => {
                let is_nested = |list: &&[u8]| memchr::memmem::find(list, b"\"vals\"").is_some();
                let list = list::check(cursor)?.filter(is_nested);
                self.list(list);
                Ok(())
            }
            Says::Errors => {
                let errors = values::check(cursor)?;
                self.twice |= u8::from(errors.is_some() && self.errors.is_some()) * KEY;
                self.errors = self.errors.or(errors);
                Ok(())
            }
            Says::Error => {
                self.saw(known.bit);
                self.error = Some(cursor.pass()?).filter(|error| !list::is_no_error(error));
                if self.error.is_some() {
                    // Whatever else is said of its quality.
                    self.quality = Ranked { rank: 0, candidate: Some(Ok(Quality::Bad)) };
                }
                Ok(())
            }
            Says::QualityBits | Says::Status => {
                let written = cursor.pass()?;
                if let Some(quality) = gateway_quality(known.says, written) {
                    self.twice |= u8::from(self.keys_seen & (1 << known.bit) != 0) * STATUS;
                    self.keys_seen |= 1 << known.bit;
                    self.quality.offer(known.rank, Ok(quality));
                }
                Ok(())
            }
            Says::Payload | Says::Params => self.payload_member(known.says, cursor),
            Says::Envelope | Says::Senml | Says::Topic => {
                self.has_others = true;
                self.keys_seen |= 1 << known.bit;
                cursor.skip()
            }
            Says::NodeRed => {
                self.is_message = true;
                cursor.skip()
            }
            Says::DataSet => {
                self.is_data_set = true;
                cursor.skip()
            }
            Says::Method | Says::MessageType => self.kind_member(known.says, cursor),
            _ => cursor.skip(),
        }
    }

    /// What stands behind a word that says something only where the right thing stands behind it.
    fn word_member(&mut self, known: Known, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        if known.says == Says::Stamp {
            match stamp(cursor)? {
                Some(timestamp_us) => self.timestamp_us.offer(known.rank, Ok(timestamp_us)),
                None => self.has_others = true,
            }
            return Ok(());
        }
        match cursor.value()? {
            Value::Text(text) if text.is_sound() && !text.is_blank() => match known.says {
                Says::MachineLabel => self.names_machine(known.rank, Ok(text)),
                _ => {
                    if known.bit == LABEL_BIT {
                        let is_second = self.keys_seen & (1 << LABEL_BIT) != 0;
                        self.keys_seen |= if is_second { 1 << LABELS_BIT } else { 1 << LABEL_BIT };
                    }
                    self.sensor.offer(known.rank, Ok(text));
                }
            },
            _ => self.has_others = true,
        }
        Ok(())
    }

    /// What kind of message it is.
    fn kind_member(&mut self, says: Says, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let kind = cursor.pass()?;
        if says == Says::Method {
            self.is_notification = kind.starts_with(b"\"Notify");
            // A button, the end of an update: nothing that is measured.
            self.is_silent |= kind == b"\"NotifyEvent\"";
        } else {
            self.is_data_set = true;
            self.is_silent |= [&b"\"ua-keepalive\""[..], b"\"ua-metadata\"", b"\"ua-status\""].contains(&kind);
        }
        Ok(())
    }

    /// What a message holds.
    fn payload_member(&mut self, says: Says, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let is_object = cursor.token() == Some(b'{');
        let written = cursor.pass()?;
        if says == Says::Payload {
            self.payload_twice |= self.payload.is_some();
            self.payload = self.payload.or(Some(written));
        } else if is_object {
            self.payload_twice |= self.params.is_some();
            self.params = self.params.or(Some(written));
        }
        Ok(())
    }
}
