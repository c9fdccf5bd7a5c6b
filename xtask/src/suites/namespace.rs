//! A network of our own. Suites have addresses like `localhost:9092` written into them: in a network namespace these are
//! free, whatever else runs on the machine, and nothing in a suite reaches out of it.

use anyhow::{Context, Result, bail, ensure};
use std::net::TcpListener;
use std::process::Command;

/// Says to the second start of this program that it is inside.
const INSIDE: &str = "OTTLA_SUITES_INSIDE";

/// Whether this process is in the namespace. Its loopback interface is up then.
pub(super) fn is_inside() -> Result<bool> {
    if std::env::var_os(INSIDE).is_none() {
        return Ok(false);
    }
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("cannot run ip")?;
    ensure!(status.success(), "cannot set the loopback interface up");
    Ok(true)
}

/// Starts this program again inside, for the same suites. False where the system gives no namespace to us.
pub(super) fn run_inside(args: &[String]) -> Result<bool> {
    let Some(unshare) = unshare() else { return Ok(false) };
    let mut inside = Command::new("unshare");
    inside.args(unshare).arg(std::env::current_exe()?).arg("client-suites").args(args).env(INSIDE, "yes");
    let status = inside.status().context("cannot run unshare")?;
    if !status.success() {
        // What is wrong has been said.
        bail!("the suites did not pass");
    }
    Ok(true)
}

/// The options with which a namespace can be had: as the system's root, or as root of a user namespace.
fn unshare() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];
    WAYS.into_iter().find(|way| {
        let mut tried = Command::new("unshare");
        tried.args(*way).args(["ip", "link", "set", "lo", "up"]);
        tried.output().is_ok_and(|output| output.status.success())
    })
}

/// Without a namespace the ports must be free.
pub(super) fn ensure_free(ports: &[u16]) -> Result<()> {
    for &port in ports {
        TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("port {port} is taken, and unshare gives no network namespace here"))?;
    }
    Ok(())
}
