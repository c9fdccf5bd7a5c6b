//! temp
use super::Settings;
use ottla_machine::Disk;
pub struct Coordinators<D: Disk>(std::marker::PhantomData<fn() -> D>);
impl<D: Disk> Coordinators<D> {
    pub fn new(_: &Settings) -> Self {
        Self(std::marker::PhantomData)
    }
    pub fn resign_all(&self) {}
}
impl<D: Disk> super::Node<D> {
    pub(super) fn after_publication(
        &self,
        _next: &std::sync::Arc<super::Published<D>>,
        _delta: &ottla_metadata::image::Delta,
        _now: crate::request::Now,
    ) {
    }
}
