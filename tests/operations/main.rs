//! The file that operations are kept in: all that a store has to do, and everything that can happen to a disk.

mod crash;
mod disk;
mod load;
mod support;

mod contract {
    use crate::support::Folder;

    sim::contract!(Folder::new());
}
