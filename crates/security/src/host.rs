//! Where a request comes from, and the hosts of ACLs: any, an address as text, or a range (KIP-1276).
//!
//! Kafka compares an ACL's host with the address as Java prints it, so a client's address is kept in that form too:
//! IPv6 in full, without `::`. Names in ACLs are accepted and match nothing, as in Kafka, which never asks DNS here.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a client, made once a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHost {
    address: IpAddr,
    text: String,
}

impl ClientHost {
    /// An IPv4 address that arrived on an IPv6 socket counts as IPv4, as in Java.
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let text = match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => {
                let groups: Vec<String> = v6.segments().iter().map(|s| format!("{s:x}")).collect();
                groups.join(":")
            }
        };
        Self { address, text }
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// As Java prints it: `2001:db8:0:0:0:0:0:1`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The host of an ACL, read once when the ACL is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostPattern {
    Any,
    Text(String),
    Range(Cidr),
}

impl HostPattern {
    /// Never fails: a range that cannot be read is a text that no address equals.
    pub(crate) fn new(host: &str) -> Self {
        match host {
            "*" => Self::Any,
            _ => Cidr::parse(host).map_or_else(|_| Self::Text(host.to_owned()), Self::Range),
        }
    }

    pub(crate) fn matches(&self, host: &ClientHost) -> bool {
        match self {
            Self::Any => true,
            Self::Text(text) => *text == host.text,
            Self::Range(range) => range.contains(host.address),
        }
    }
}

/// An address range in CIDR notation. Bits of the address beyond the prefix are allowed and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix_bits: u8,
}

/// The text is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCidr {
    #[error("Could not parse [{0}]")]
    Syntax(String),
    #[error("Value [{value}] not in range [0,{max}]")]
    OutOfRange { value: u32, max: u32 },
}

impl Cidr {
    pub fn parse(text: &str) -> Result<Self, InvalidCidr> {
        let syntax = || InvalidCidr::Syntax(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(syntax)?;
        let network = if address.contains(':') {
            IpAddr::V6(address.parse().map_err(|_| syntax())?)
        } else {
            IpAddr::V4(ipv4(address, syntax)?)
        };
        let prefix_bits = number(prefix).ok_or_else(syntax)?;
        let max = bits(network);
        match u8::try_from(prefix_bits) {
            Ok(prefix_bits) if u32::from(prefix_bits) <= max => Ok(Self { network, prefix_bits }),
            _ => Err(InvalidCidr::OutOfRange { value: prefix_bits, max }),
        }
    }

    /// An address of the other family is in no range of this one.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_bits)).unwrap_or(0);
                (u32::from(network) ^ u32::from(address)) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
                (u128::from(network) ^ u128::from(address)) & mask == 0
            }
            _ => false,
        }
    }
}

fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

/// Up to three digits, leading zeros allowed: `010` is ten, as Kafka reads it.
fn number(text: &str) -> Option<u32> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn ipv4(text: &str, syntax: impl Fn() -> InvalidCidr) -> Result<Ipv4Addr, InvalidCidr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let value = parts.next().and_then(number).ok_or_else(&syntax)?;
        *octet = u8::try_from(value).map_err(|_| InvalidCidr::OutOfRange { value, max: 255 })?;
    }
    match parts.next() {
        Some(_) => Err(syntax()),
        None => Ok(Ipv4Addr::from(octets)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> ClientHost {
        ClientHost::new(text.parse().unwrap())
    }

    #[test]
    fn addresses_are_printed_as_java_does() {
        assert_eq!(host("10.0.0.1").as_str(), "10.0.0.1");
        assert_eq!(host("2001:db8::1").as_str(), "2001:db8:0:0:0:0:0:1");
        assert_eq!(host("::ffff:10.0.0.1").as_str(), "10.0.0.1");
    }

    #[test]
    fn ranges_hold_their_addresses() {
        for (range, inside, outside) in [
            ("10.1.2.0/24", "10.1.2.255", "10.1.3.0"),
            ("10.1.2.77/24", "10.1.2.1", "10.1.1.77"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "::1", "10.0.0.1"),
            ("10.0.010.0/24", "10.0.10.9", "10.0.8.9"),
        ] {
            let pattern = HostPattern::new(range);
            assert!(pattern.matches(&host(inside)), "{range} holds {inside}");
            assert!(!pattern.matches(&host(outside)), "{range} does not hold {outside}");
        }
    }

    #[test]
    fn bad_ranges_are_named() {
        for text in
            ["10.0.0/8", "10.0.0.0.0/8", "10.0.0.0/", "10.0.0.0/a", "a/8", ":::/8", "10.0.0.0", "1.2.3.4/-1", "/"]
        {
            assert_eq!(Cidr::parse(text), Err(InvalidCidr::Syntax(text.to_owned())), "{text}");
        }
        assert_eq!(Cidr::parse("10.0.0.0/33").unwrap_err().to_string(), "Value [33] not in range [0,32]");
        assert_eq!(Cidr::parse("10.0.0.256/3").unwrap_err().to_string(), "Value [256] not in range [0,255]");
        assert!(Cidr::parse("::/129").is_err());
    }

    #[test]
    fn text_is_compared_as_text() {
        assert!(HostPattern::new("10.0.0.1").matches(&host("10.0.0.1")));
        assert!(!HostPattern::new("localhost").matches(&host("127.0.0.1")));
        assert!(!HostPattern::new("10.0.0.0/99").matches(&host("10.0.0.1")));
        assert!(HostPattern::new("*").matches(&host("::1")));
    }
}
