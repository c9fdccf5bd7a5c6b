//! Connections to the nodes of this machine. Kafka's protocol does not tell how many a broker has, but Linux does.

/// The states of a socket in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";
const LISTENING: &str = "0A";

/// How many are open to these ports, where somebody on this machine listens on one of them.
pub(super) fn to(ports: impl Iterator<Item = u16>) -> Option<usize> {
    let tables: String =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    count(&tables, &ports.collect::<Vec<_>>())
}

fn count(tables: &str, ports: &[u16]) -> Option<usize> {
    let (mut is_here, mut open) = (false, 0);
    for line in tables.lines() {
        let mut columns = line.split_whitespace();
        let (Some(local), Some(state)) = (columns.nth(1), columns.nth(1)) else { continue };
        let port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        if !port.is_some_and(|port| ports.contains(&port)) {
            continue;
        }
        is_here |= state == LISTENING;
        open += usize::from(state == ESTABLISHED);
    }
    is_here.then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:2384 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:C350 0100007F:2384 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 0100007F:2384 0100007F:C351 06 00000000:00000000 00:00000000 00000000     0        0 0
";

    #[test]
    fn the_nodes_side_of_what_is_open_counts() {
        assert_eq!(count(TABLE, &[9092]), Some(1));
        assert_eq!(count(TABLE, &[9093]), None);
        assert_eq!(count(TABLE, &[50000]), None, "nobody listens there");
    }
}
