//! Held: bytes that collections take from the ordinary allocator, for the accounts of memory. Each part of the engine
//! counts what is its own.

/// Entries of a node in the standard library's trees, and how many are filled when entries come in order.
const TREE_NODE_MAX: usize = 11;
const TREE_NODE_IN_ORDER: usize = 7;
/// What a node has beside its entries: the way to its parent, its place there, its count.
const TREE_NODE_HEAD_BYTES: usize = size_of::<usize>() + 4;

/// A text that may be absent.
pub fn text(text: Option<&str>) -> usize {
    text.map_or(0, str::len)
}

/// A list without what its entries lead to.
pub const fn list<T>(list: &Vec<T>) -> usize {
    list.capacity() * size_of::<T>()
}

/// A tree without what its entries lead to: exact for few entries, about right for many, since how full nodes are
/// depends on how they came about.
pub const fn tree<K, V>(entries: usize) -> usize {
    let leaf = (TREE_NODE_MAX * (size_of::<K>() + size_of::<V>()) + TREE_NODE_HEAD_BYTES).next_multiple_of(8);
    if entries <= TREE_NODE_MAX {
        return if entries == 0 { 0 } else { leaf };
    }
    // Every node but the last of its level gives an entry to the one above it.
    let mut nodes = entries.div_ceil(TREE_NODE_IN_ORDER);
    let mut bytes = nodes * leaf;
    while nodes > 1 {
        nodes = nodes.div_ceil(TREE_NODE_IN_ORDER);
        bytes += nodes * (leaf + (TREE_NODE_MAX + 1) * size_of::<usize>());
    }
    bytes
}
