//! Under which topics the readings and snapshots of a chunk were published, for what is set aside behind the door.
//!
//! Enters the topic of each message, with how much was staged before it; leaves the topic of a record by its place. Equal
//! topics in a row are one. Without any message everything is of the empty topic: that of transports without topics.

/// The topics, one behind the other, and where each begins to count.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    text: String,
    begun: Vec<Begun>,
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    first_reading: u32,
    first_snapshot: u32,
    /// Where its topic ends in the text.
    end: u32,
}

impl Topics {
    /// What is staged from now on, behind so many readings and snapshots, was published under `topic`.
    #[inline]
    pub fn begin(&mut self, topic: &str, readings: usize, snapshots: usize) {
        if self.nth(self.begun.len()) != topic {
            self.text.push_str(topic);
            let end = self.text.len() as u32;
            self.begun.push(Begun { first_reading: readings as u32, first_snapshot: snapshots as u32, end });
        }
    }

    pub fn of_reading(&self, index: usize) -> &str {
        self.nth(self.begun.partition_point(|begun| begun.first_reading as usize <= index))
    }

    pub fn of_snapshot(&self, index: usize) -> &str {
        self.nth(self.begun.partition_point(|begun| begun.first_snapshot as usize <= index))
    }

    /// The topic before which `count` have begun; the empty one before the first.
    #[inline]
    fn nth(&self, count: usize) -> &str {
        let end = |count: usize| count.checked_sub(1).and_then(|at| self.begun.get(at)).map_or(0, |begun| begun.end);
        let start = count.checked_sub(1).map_or(0, end);
        self.text.get(start as usize..end(count) as usize).unwrap_or_default()
    }

    /// About what it occupies in memory.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.begun.len() * size_of::<Begun>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_has_the_topic_of_its_message() {
        let mut topics = Topics::default();
        assert_eq!((topics.of_reading(0), topics.of_snapshot(7)), ("", ""));
        topics.begin("a/b", 0, 0);
        topics.begin("a/b", 2, 0);
        topics.begin("c", 3, 0);
        topics.begin("", 3, 1);
        topics.begin("a/b", 5, 1);
        let of_readings: Vec<&str> = (0..6).map(|index| topics.of_reading(index)).collect();
        assert_eq!(of_readings, ["a/b", "a/b", "a/b", "", "", "a/b"]);
        assert_eq!([0, 1].map(|index| topics.of_snapshot(index)), ["c", "a/b"]);
    }

    #[test]
    fn what_came_before_the_first_message_has_no_topic() {
        let mut topics = Topics::default();
        topics.begin("", 0, 0);
        assert_eq!(topics.bytes(), 0);
        topics.begin("t", 1, 0);
        assert_eq!((topics.of_reading(0), topics.of_reading(1)), ("", "t"));
    }
}
