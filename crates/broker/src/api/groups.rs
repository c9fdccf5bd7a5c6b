//! temp
use crate::node::Node;
use crate::request::{Answer, Context, FrameError};
use ottla_machine::Disk;
use ottla_wire::Reader;
pub(super) fn handle<D: Disk>(
    _node: &Node<D>,
    _context: &Context,
    _reader: &mut Reader<'_>,
) -> Result<Answer<D>, FrameError> {
    Ok(Answer::Silence)
}
