//! What fuzz targets reach of the loader. In an ordinary build this is not there.

/// Reads the content of a file as the loader does before it would open it.
pub fn descriptor(content: &[u8]) {
    let _refused = super::descriptor::descriptor_of(content);
}
