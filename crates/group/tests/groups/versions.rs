//! Every version of every request gets an answer that can be told in it: the transcripts' harness encodes each.

use crate::transcript::Bed;
use ottla_group::GroupSettings;

#[test]
fn answers_can_be_told_in_every_version() {
    let mut bed = Bed::new(GroupSettings::default());
    for version in 0..=9 {
        let group = format!("g{version}");
        let wrong = bed.run(&format!("join a g={group} v={version} type="));
        assert_eq!(wrong, ["INCONSISTENT_GROUP_PROTOCOL member="]);
        assert_eq!(bed.run(&format!("join a g={group} v={version} session=1")), ["INVALID_SESSION_TIMEOUT member="]);
        // Static members do not need a first round, so one join is enough in the later versions.
        let instance = if version >= 5 { "instance=a" } else { "" };
        let joined = match version {
            4 => {
                let shown = bed.run(&format!("join a g={group} v=4")).remove(0);
                let member = shown.strip_prefix("MEMBER_ID_REQUIRED member=").unwrap().to_owned();
                bed.run(&format!("join a g={group} v=4 member={member}"))
            }
            _ => bed.run(&format!("join a g={group} v={version} {instance}")),
        };
        assert_eq!(joined, ["waits"]);
        let joined = bed.wait(3000).remove(0);
        assert!(joined.starts_with("a <- joined generation=1 protocol=range"), "{joined}");
        let member = joined.split("member=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let sync = format!("sync a g={group} v={} member={member} gen=1", version.min(5));
        assert_eq!(bed.run(&format!("{sync} assign={member}:x")), ["synced protocol=range assignment=x"]);
        assert_eq!(bed.run(&sync.replace("gen=1", "gen=7")), ["ILLEGAL_GENERATION"]);
        for described in 0..=6 {
            assert_eq!(bed.run(&format!("describe {group} v={described}")).len(), 2);
            assert_eq!(bed.run(&format!("describe nobody v={described}")).len(), 1);
        }
        let leave = format!("leave a g={group} v={}", version.min(5));
        assert!(bed.run(&format!("{leave} members=nobody"))[0].contains("UNKNOWN_MEMBER_ID"));
        assert!(bed.run(&format!("{leave} members={member}"))[0].starts_with("NONE"));
    }
    for version in 2..=10 {
        assert_eq!(bed.run(&format!("commit c g=s v={version} t-0=5:note u-99=1"))[0].matches('=').count(), 2);
        assert!(bed.run(&format!("commit c g=nobody v={version} gen=3 t-0=5"))[0].starts_with("t-0="));
    }
    for version in 1..=10 {
        assert_eq!(bed.run(&format!("fetch c g=s v={version} t-0 t-1")), ["t-0=5:note t-1=-1"]);
        if version >= 2 {
            assert_eq!(bed.run(&format!("fetch c g=s v={version} stable")), ["t-0=5:note"]);
        }
    }
}
