//! Which IP addresses a provider may have. Asked of every address that is about to be connected to, after names are
//! resolved: what a name stands for may change between two look-ups.
//!
//! Sources: the special-purpose registries of RFC 6890 and its successors; the metadata services of the large clouds, as
//! they document them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What connecting to an address would mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// A place on the Internet.
    Public,
    /// This machine or a network behind it.
    Private,
    /// No provider's: the metadata service of a cloud, link-local, multicast, broadcast, unspecified, reserved.
    Never,
}

/// Judges an address. One that stands for another, as NAT64 and IPv4-mapped ones do, is judged as that.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Azure's, Alibaba's and Oracle's metadata; that of the others is link-local.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];

fn reach_v4(address: Ipv4Addr) -> Reach {
    let is_never = address.is_link_local()
        || address.is_multicast()
        || METADATA_V4.contains(&address)
        // "This network", and what is reserved, broadcast included (RFC 1122 section 3.2.1.3, RFC 1112 section 4).
        || matches!(address.octets(), [0 | 240..=255, ..]);
    if is_never {
        return Reach::Never;
    }
    match address.octets() {
        [10 | 127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        // Shared by a carrier's customers (RFC 6598), benchmarks (RFC 2544).
        | [100, 64..=127, ..]
        | [198, 18 | 19, ..]
        // IETF protocols and documentation (RFC 6890, RFC 5737).
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    let within = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        _ if address.is_unspecified() || address.is_multicast() => Reach::Never,
        _ if address.is_loopback() => Reach::Private,
        // Mapped (RFC 4291 section 2.5.5.2), its translated twin, compatible (deprecated), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => within(high, low),
        // NAT64 of a network's own (RFC 8215), wherever in it the address stands.
        [0x64, 0xff9b, 1, _, _, _, high, low] => within(high, low).max(Reach::Private),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => within(high, low),
        // Link-local; Amazon's and Google's services.
        [0xfe80..=0xfebf, ..] | [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] => Reach::Never,
        // Unique local, site-local, Teredo, discard, documentation.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..]
        | [0x2001, 0 | 0xdb8, ..]
        | [0x100, 0, 0, 0, ..]
        | [0x3fff, 0..=0xfff, ..] => Reach::Private,
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(addresses: &[&str], expected: Reach) {
        for text in addresses {
            assert_eq!(reach(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn the_metadata_of_clouds_and_what_nobody_lives_at_is_never_reached() {
        all(
            &[
                "169.254.169.254",
                "169.254.170.2",
                "169.254.0.1",
                "168.63.129.16",
                "100.100.100.200",
                "192.0.0.192",
                "0.0.0.0",
                "0.1.2.3",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "fe80::1",
                "febf::1",
                "ff02::1",
                "fd00:ec2::254",
                "fd00:ec2::23",
                "fd20:ce::254",
            ],
            Reach::Never,
        );
    }

    #[test]
    fn an_address_that_stands_for_another_is_judged_as_that() {
        all(
            &[
                "::ffff:169.254.169.254",
                "::ffff:0:a9fe:a9fe",
                "::169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "64:ff9b:1::a9fe:a9fe",
                "2002:a9fe:a9fe::1",
                "::ffff:0.0.0.0",
            ],
            Reach::Never,
        );
        all(
            &[
                "::ffff:127.0.0.1",
                "::ffff:10.0.0.1",
                "64:ff9b::7f00:1",
                "64:ff9b:1::808:808",
                "2002:c0a8:1::",
            ],
            Reach::Private,
        );
        all(&["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"], Reach::Public);
    }

    #[test]
    fn private_networks_and_this_machine_are_told_from_the_internet_at_their_edges() {
        all(
            &[
                "127.0.0.1",
                "127.255.255.255",
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "198.18.0.1",
                "198.19.255.255",
                "192.0.2.1",
                "::1",
                "fc00::1",
                "fdff::1",
                "fec0::1",
                "2001:db8::1",
                "2001::1",
            ],
            Reach::Private,
        );
        all(
            &[
                "9.255.255.255",
                "11.0.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.167.255.255",
                "192.169.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "169.253.255.255",
                "169.255.0.0",
                "1.1.1.1",
                "223.255.255.255",
                "2606:4700::1111",
                "2001:4860::8888",
                "2a00:1450::1",
            ],
            Reach::Public,
        );
    }
}
