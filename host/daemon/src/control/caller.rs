//! Who is at the other end of the control socket, as the kernel says.

use std::fs::File;
use std::io::Read as _;

/// Bytes of the list of users that are read: enough for any machine whose users are local.
const USERS_BYTES_MAX: u64 = 1 << 20;

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) uid: u32,
}

impl Caller {
    /// Its name where the machine's own list has it, and else its number.
    pub(super) fn name(self) -> String {
        let mut users = String::new();
        let read = File::open("/etc/passwd")
            .and_then(|file| file.take(USERS_BYTES_MAX).read_to_string(&mut users));
        let named = read.ok().and_then(|_| named(&users, self.uid));
        named.unwrap_or_else(|| format!("uid {}", self.uid))
    }
}

/// The name of a user in a list as passwd(5) describes it.
fn named(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_if_the_list_has_one() {
        let users = "root:x:0:0:root:/:/bin/sh\n:x:7:7::/:\nmarta:x:1000:1000::/:/bin/sh\nbroken";
        assert_eq!(named(users, 1000).as_deref(), Some("marta"));
        assert_eq!((named(users, 7), named(users, 8)), (None, None));
    }
}
