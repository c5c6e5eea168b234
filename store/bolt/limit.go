package bolt

// maxValue is how many bytes a result may take. bbolt says 2 GB, but never splits a page
// of four results or fewer, and keeps the size of a page in 32 bits: with four times this
// it is still right. On a 32-bit machine, where a file can have 2 GB, it is 32 MB, else
// 256 MB.
const maxValue = 1 << (25 + 3*(^uint(0)>>63))
