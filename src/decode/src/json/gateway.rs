//! The keys of gateways in an element; see [`super::list`] and [`super::tags`].

use super::cursor::{Cursor, Syntax, Value};
use super::element::{Element, HELD, KEY, NESTED, NUMBER, NUMBERS, STATUS};
use super::fields::gateway_quality;
use super::keys::{ENVELOPE_BIT, GOOD_BIT, Known, LABEL_BIT, LABELS_BIT, Ranked, Says};
use super::{list, values};
use genims_model::Quality;

impl<'a> Element<'a> {
    /// Reads what stands behind a key that gateways write.
    #[inline(never)]
    pub(super) fn gateway_member(&mut self, known: Known, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        match known.says {
            Says::Quality if known.bit == GOOD_BIT => self.good_member(known, cursor),
            Says::Value | Says::Sensor | Says::Time(_) | Says::Machine | Says::Quality | Says::Several => {
                self.said(known, cursor)
            }
            Says::Label | Says::MachineLabel | Says::Stamp => self.word_member(known, cursor),
            Says::Data if matches!(cursor.token(), Some(b'{' | b'[')) => {
                self.odd |= HELD;
                self.several(known.bit, cursor)
            }
            Says::Data => self.value(known.bit, known.rank, cursor),
            Says::OpcDa => {
                self.is_opc_da = true;
                cursor.skip()
            }
            Says::List => {
                if cursor.token() == Some(b'{') {
                    self.keys_seen |= 1 << ENVELOPE_BIT;
                }
                self.list_member(|_| true, cursor)
            }
            Says::Messages => {
                let list = list::check_message(cursor)?;
                self.list(list);
                Ok(())
            }
            Says::Records => self.list_member(|list| memchr::memmem::find(list, b"\"vals\"").is_some(), cursor),
            Says::Errors => self.errors_member(cursor),
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
            Says::Envelope | Says::Properties | Says::Senml | Says::Topic => self.envelope_member(known, cursor),
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

    /// What a gateway could not read: an object by tag, or a list.
    fn errors_member(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let errors = match cursor.token() {
            Some(b'[') => Some(cursor.pass()?),
            _ => values::check(cursor)?,
        };
        self.twice |= u8::from(errors.is_some() && self.errors.is_some()) * KEY;
        self.errors = self.errors.or(errors);
        self.odd |= HELD;
        Ok(())
    }

    /// What may as well be a tag.
    fn envelope_member(&mut self, known: Known, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.has_others = true;
        self.may_hold(cursor);
        // Nothing but an object is around anything.
        let may_mean = known.bit != ENVELOPE_BIT || cursor.token() == Some(b'{');
        self.keys_seen |= u64::from(may_mean) << known.bit;
        let written = cursor.pass()?;
        if known.says == Says::Properties && written.starts_with(b"{") {
            self.quality_in_properties(written);
        }
        Ok(())
    }

    /// Notes that what stands next to the cursor may be a reading, or hold some.
    fn may_hold(&mut self, cursor: &mut Cursor<'a>) {
        self.odd |= match cursor.token() {
            Some(b'{' | b'[') => NESTED,
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => NUMBER | NUMBERS,
            _ => 0,
        };
    }

    /// What stands behind a word for a list of tags: it is one if it `is_meant`.
    fn list_member(&mut self, is_meant: impl Fn(&[u8]) -> bool, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let mut before = *cursor;
        match list::check(cursor)?.filter(|list| is_meant(list)) {
            None => self.may_hold(&mut before),
            list => self.list(list),
        }
        Ok(())
    }

    /// What stands behind a word that says something only where the right thing stands behind it.
    fn word_member(&mut self, known: Known, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        if known.says == Says::Stamp {
            return self.stamp_member(known.rank, cursor);
        }
        self.may_hold(cursor);
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
        self.may_hold(cursor);
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
