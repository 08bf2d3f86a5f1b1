//! What a connection URL may not contain as it stands: characters of user or password that end it early, or mean something.
//!
//! Enters: a URL of any engine. Leaves: nothing, or the cause with what to write. Invariant: the cause shows nothing of the
//! URL, which may be its password.

/// Refuses what would be read otherwise than it was meant.
pub(crate) fn check(url: &str) -> Result<(), String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let wrong = |what: &str, write: &str| {
        let elsewhere =
            "or leave the password out and set the variable that ends in _PASSWORD, which takes it as it is";
        Err(format!("it has {what}: write {write}, {elsewhere}"))
    };
    if rest.contains([' ', '\t']) {
        return wrong("a blank", "%20");
    }
    if rest.contains(char::is_control) {
        return wrong("a control character", "%0A for a line end, %09 for a tab");
    }
    if rest.contains('#') {
        return wrong("a #", "%23");
    }
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = rest.as_bytes();
    let is_stray = |index: usize| bytes[index] == b'%' && !(hex(bytes.get(index + 1)) && hex(bytes.get(index + 2)));
    if (0..bytes.len()).any(is_stray) {
        return wrong("a % without two hexadecimal digits behind it", "%25");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    if authority.matches('@').count() > 1 {
        return wrong("more than one @ before its host", "%40 for that of user or password");
    }
    if behind.contains('@') {
        return wrong("an @ behind a / or ?", "%2F for a /, %3F for a ?, %40 for an @ of user or password");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_misread_is_refused_with_what_to_write() {
        for (password, remedy) in [
            ("p ss", "%20"),
            ("p#ss", "%23"),
            ("p%ss", "%25"),
            ("p%4", "%25"),
            ("p@ss", "%40"),
            ("p/ss", "%2F"),
            ("12/34", "%2F"),
            ("p?ss", "%3F"),
            ("p\nss", "%0A"),
        ] {
            let cause = check(&format!("postgresql://u:{password}@h:5432/d?sslmode=require")).expect_err(password);
            assert!(cause.contains(remedy) && cause.contains("_PASSWORD") && !cause.contains("ss@"), "{cause}");
        }
        for password in ["p$ss", "p:ss", "p\\ss", "p%25%40%20ss", "p&=+;!ss"] {
            assert_eq!(check(&format!("postgresql://u:{password}@h/d?sslrootcert=/etc/ca.pem")), Ok(()), "{password}");
        }
        assert_eq!(check("mongodb+srv://h/d"), Ok(()));
        assert_eq!(check("postgresql:///d?host=/run/postgresql"), Ok(()));
    }
}
