//! What administrators ask of groups: describe, list, delete. One file for each.

mod delete;
mod describe;
mod list;

pub(crate) use delete::{delete, failed};
pub(crate) use describe::describe;
pub(crate) use list::list;
