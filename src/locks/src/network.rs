//! Whose address counts as whose, where something is kept by address. An address enters; leaves the network that one of its
//! kind is given: of IPv6 the /64, since whoever has one address of it has all of them; of IPv4, mapped or not, the address.
//!
//! Who was refused is told by the full address all the same.

use std::net::{IpAddr, Ipv6Addr};

/// The bits that name a host within its network.
const HOST_BITS: u32 = 64;

pub fn of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> HOST_BITS << HOST_BITS).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// As [`of`], of a text; one that is no address stands for itself.
pub(crate) fn named(host: &str) -> Box<str> {
    host.parse().map_or_else(|_| host.into(), |address: IpAddr| of(address).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_network_of_ipv6_is_one_and_mapped_addresses_are_those_of_ipv4() {
        for (address, network) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("unknown", "unknown"),
            ("", ""),
        ] {
            assert_eq!(&*named(address), network, "{address}");
        }
    }
}
