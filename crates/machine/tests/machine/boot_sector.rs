//! A guest in one sector: it counts its starts in the disk's second sector, says the number on
//! the serial port, and then answers each byte with the byte and `!`.

use std::fs;
use std::path::Path;

/// ```text
/// 00  xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 0x7c00
/// 0b  push dx
/// 0c  mov ax, 0x0201; mov cx, 2; mov dh, 0; mov bx, 0x8000; int 0x13      read sector 2
/// 19  mov al, [0x8000]; add al, '0'; mov [digit], al; inc byte [0x8000]
/// 25  pop dx; mov ax, 0x0301; mov cx, 2; mov dh, 0; int 0x13              write it back
/// 30  mov si, text
/// 33  lodsb; test al, al; jz 3d; call 53; jmp 33                          say the text
/// 3d  mov dx, 0x3fd; in al, dx; test al, 1; jz 3d                         wait for a byte
/// 45  mov dx, 0x3f8; in al, dx; call 53; mov al, '!'; call 53; jmp 3d     answer it
/// 53  push ax; mov dx, 0x3fd
/// 57  in al, dx; test al, 0x20; jz 57; pop ax; mov dx, 0x3f8; out dx, al; ret
/// 62  text: "starts: ", digit, "\r\n\0"
/// ```
const PROGRAM: &[u8] = b"\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c\x52\
    \xb8\x01\x02\xb9\x02\x00\xb6\x00\xbb\x00\x80\xcd\x13\
    \xa0\x00\x80\x04\x30\xa2\x6a\x7c\xfe\x06\x00\x80\
    \x5a\xb8\x01\x03\xb9\x02\x00\xb6\x00\xcd\x13\
    \xbe\x62\x7c\xac\x84\xc0\x74\x05\xe8\x18\x00\xeb\xf6\
    \xba\xfd\x03\xec\xa8\x01\x74\xf8\
    \xba\xf8\x03\xec\xe8\x07\x00\xb0\x21\xe8\x02\x00\xeb\xea\
    \x50\xba\xfd\x03\xec\xa8\x20\x74\xfb\x58\xba\xf8\x03\xee\xc3\
    starts: ?\r\n\0";

/// Writes a disk of 1 MiB with the guest.
pub(crate) fn write_disk(path: &Path) {
    let mut disk = vec![0; 1 << 20];
    disk[..PROGRAM.len()].copy_from_slice(PROGRAM);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(path, disk).unwrap();
}
