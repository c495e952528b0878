//! Little-endian numbers and checksums, as partition tables and superblocks have them.

/// The 32 bits at `at`, which have to be there.
pub fn get32(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// The 64 bits at `at`, which have to be there.
pub fn get64(bytes: &[u8], at: usize) -> u64 {
    u64::from(get32(bytes, at)) | u64::from(get32(bytes, at + 4)) << 32
}

/// CRC-32 of ISO 3309: what a GPT has.
pub fn crc32(bytes: &[u8]) -> u32 {
    !crc(0xedb8_8320, bytes)
}

/// CRC-32C as ext4 has it: not inverted at its end.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc(0x82f6_3b78, bytes)
}

/// A reflected CRC that begins inverted. Bit by bit: it is of some KiB, once a disk's life.
fn crc(polynomial: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ polynomial }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(!crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn numbers_are_little_endian() {
        let bytes = [9, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(get32(&bytes, 1), 0x0403_0201);
        assert_eq!(get64(&bytes, 1), 0x0807_0605_0403_0201);
    }
}
