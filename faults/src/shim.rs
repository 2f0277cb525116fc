//! SQLite's way to the system's files, with a [`Watch`] in between.
//!
//! The file that SQLite sees is a [`File`] with the system's own behind it in the same
//! memory; every method is handed on, and some are told to the watch or failed before.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::Path,
    ptr,
    sync::{Arc, OnceLock},
};

use rusqlite::ffi;

use crate::disk::{Event, Failure, Operation, Watch};

/// The system's way to files, which outlives everything.
struct System(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite's own VFS is never freed nor changed once SQLite is initialised, and SQLite
// itself calls its methods from every thread.
unsafe impl Send for System {}
// SAFETY: as above.
unsafe impl Sync for System {}

static SYSTEM: OnceLock<System> = OnceLock::new();

/// An open file: what SQLite sees, then what only this crate does, then the system's.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    place: Option<Box<Place>>,
}

/// Which file of which disk it is.
struct Place {
    watch: Arc<Watch>,
    name: Arc<str>,
    /// Whether the folder is synced with the file's next sync. SQLite's way to the system's
    /// files does so for a journal that it may have made, so that its name is on the disk as
    /// soon as its content is.
    is_folder_due: bool,
}

/// Makes the VFS known to SQLite, once.
pub(crate) fn register() {
    SYSTEM.get_or_init(|| {
        // SAFETY: no arguments to get wrong; it may be called any number of times.
        unsafe { ffi::sqlite3_initialize() };
        // SAFETY: a null name asks for the default VFS, which an initialised SQLite has.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!system.is_null(), "an SQLite without files");
        // SAFETY: the pointer is SQLite's own and not null; the structure is plain data.
        let mut shim = unsafe { ptr::read(system) };
        shim.zName = c"faults".as_ptr();
        shim.pNext = ptr::null_mut();
        shim.szOsFile += size_of::<File>() as c_int;
        shim.xOpen = Some(open);
        shim.xDelete = Some(delete);
        // SAFETY: the structure is leaked, so that it lives as long as SQLite may use it. Its
        // other methods are the system's and find the system's data in `pAppData`.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(shim)), 0) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes another VFS");
        System(system)
    });
}

fn system() -> *mut ffi::sqlite3_vfs {
    SYSTEM.get().map_or(ptr::null_mut(), |system| system.0)
}

/// The system's file behind ours.
///
/// # Safety
/// The pointer is a file that SQLite made room for by this VFS's `szOsFile`.
unsafe fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: the room for the system's file begins right after ours, by `szOsFile`.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// Where the file is, if somebody watches it.
///
/// # Safety
/// The pointer is a file that [`open`] has opened, and no other reference to its place lives.
unsafe fn place<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut Place> {
    // SAFETY: `open` has written a `File` there, and SQLite uses a file from one thread at a
    // time.
    unsafe { (*file.cast::<File>()).place.as_deref_mut() }
}

/// Who watches a path, and the file's name.
///
/// # Safety
/// The name is null or ends with a zero byte.
unsafe fn watched(name: *const c_char) -> Option<(Arc<Watch>, Arc<str>)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = Path::new(unsafe { CStr::from_ptr(name) }.to_str().ok()?);
    Some((Watch::of(path)?, path.file_name()?.to_str()?.into()))
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for `szOsFile` bytes, which begins with a `File`, and a name
    // that is null or ends with a zero byte.
    let (watched, real) = unsafe {
        let base = ffi::sqlite3_file { pMethods: ptr::null() };
        file.cast::<File>().write(File { base, place: None });
        (watched(name), behind(file))
    };
    // SAFETY: the name is as above.
    let is_new = !name.is_null()
        && unsafe { CStr::from_ptr(name) }.to_str().is_ok_and(|path| !Path::new(path).exists());
    // SAFETY: the system's VFS with its own method, and room for its own file.
    let code = unsafe {
        (*system())
            .xOpen
            .map_or(ffi::SQLITE_CANTOPEN, |open| open(system(), name, real, flags, out_flags))
    };
    if code != ffi::SQLITE_OK {
        return code;
    }
    let journals = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
    let is_folder_due = flags & journals != 0 && flags & ffi::SQLITE_OPEN_CREATE != 0;
    let place = watched.map(|(watch, name)| {
        watch.opened(&name, is_new);
        Box::new(Place { watch, name, is_folder_due })
    });
    // SAFETY: the `File` that was written there above.
    unsafe {
        let file = file.cast::<File>();
        (*file).place = place;
        (*file).base.pMethods = &raw const METHODS;
    }
    code
}

unsafe extern "C" fn delete(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: the system's VFS with its own method, and SQLite's own arguments.
    let (code, watched) = unsafe {
        let delete = (*system()).xDelete;
        let code =
            delete.map_or(ffi::SQLITE_IOERR_DELETE, |delete| delete(system(), name, sync_folder));
        (code, watched(name))
    };
    if let (ffi::SQLITE_OK, Some((watch, file))) = (code, watched) {
        watch.record(Event::Removed { file });
        if sync_folder != 0 {
            watch.record(Event::FolderSynced);
        }
    }
    code
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once. Its place is taken out, so that it is dropped.
    let (place, code) = unsafe {
        let place = (*file.cast::<File>()).place.take();
        (place, hand_on(file, |methods| methods.xClose, |close, real| close(real)))
    };
    if let Some(place) = place {
        place.watch.closed(&place.name);
    }
    code
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file.
    let place = unsafe { place(file) };
    let watch = place.as_ref().map(|place| Arc::clone(&place.watch));
    let _alone = watch.as_ref().map(|watch| watch.begin());
    let failure = place.as_ref().and_then(|place| place.watch.judge(Operation::Write));
    // A write that fails has often begun.
    let done = if failure.is_some() { count / 2 } else { count };
    // SAFETY: an open file, and as many bytes as SQLite has there, or fewer.
    let code = unsafe {
        hand_on(file, |methods| methods.xWrite, |write, real| write(real, bytes, done, offset))
    };
    if let (ffi::SQLITE_OK, Some(place)) = (code, place) {
        let count = usize::try_from(done).unwrap_or_default();
        // SAFETY: as above; they are copied before SQLite has them back.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), count) };
        let (file, offset) = (Arc::clone(&place.name), offset.cast_unsigned());
        place.watch.record(Event::Write { file, offset, bytes: bytes.into() });
    }
    let Some(failure) = failure else { return code };
    if let Some(watch) = &watch {
        watch.record(Event::Failed { operation: Operation::Write });
    }
    failure.code(ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    let place = unsafe { place(file) };
    let watch = place.as_ref().map(|place| Arc::clone(&place.watch));
    let _alone = watch.as_ref().map(|watch| watch.begin());
    if let Some(place) = &place
        && let Some(failure) = place.watch.judge(Operation::Truncate)
    {
        place.watch.record(Event::Failed { operation: Operation::Truncate });
        return failure.code(ffi::SQLITE_IOERR_TRUNCATE);
    }
    // SAFETY: an open file.
    let code = unsafe { hand_on(file, |methods| methods.xTruncate, |cut, real| cut(real, size)) };
    if let (ffi::SQLITE_OK, Some(place)) = (code, place) {
        let (file, size) = (Arc::clone(&place.name), size.cast_unsigned());
        place.watch.record(Event::Truncate { file, size });
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: an open file.
    let place = unsafe { place(file) };
    let watch = place.as_ref().map(|place| Arc::clone(&place.watch));
    let _alone = watch.as_ref().map(|watch| watch.begin());
    if let Some(place) = &place
        && let Some(failure) = place.watch.judge(Operation::Sync)
    {
        place.watch.record(Event::SyncFailed { file: Arc::clone(&place.name) });
        return failure.code(ffi::SQLITE_IOERR_FSYNC);
    }
    // SAFETY: an open file.
    let code = unsafe { hand_on(file, |methods| methods.xSync, |sync, real| sync(real, flags)) };
    if let (ffi::SQLITE_OK, Some(place)) = (code, place) {
        place.watch.record(Event::Synced { file: Arc::clone(&place.name) });
        if std::mem::take(&mut place.is_folder_due) {
            place.watch.record(Event::FolderSynced);
        }
    }
    code
}

impl Failure {
    const fn code(self, broken: c_int) -> c_int {
        match self {
            Self::Broken => broken,
            Self::Full => ffi::SQLITE_FULL,
        }
    }
}

/// Calls a method of the system's file behind ours.
///
/// # Safety
/// The file is open, and the call gives what the method asks for.
unsafe fn hand_on<M>(
    file: *mut ffi::sqlite3_file,
    method: impl FnOnce(&ffi::sqlite3_io_methods) -> Option<M>,
    call: impl FnOnce(M, *mut ffi::sqlite3_file) -> c_int,
) -> c_int {
    // SAFETY: an open file has the system's open file behind it, whose methods are static.
    let (real, methods) = unsafe {
        let real = behind(file);
        (real, (*real).pMethods.as_ref())
    };
    methods.and_then(method).map_or(ffi::SQLITE_IOERR, |method| call(method, real))
}

/// Methods that are handed on as they are.
macro_rules! handed_on {
    ($($name:ident = $method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: SQLite's own arguments for an open file.
            unsafe { hand_on(file, |methods| methods.$method, |call, real| call(real $(, $argument)*)) }
        }
    )*};
}

handed_on! {
    read = xRead(bytes: *mut c_void, count: c_int, offset: ffi::sqlite3_int64);
    file_size = xFileSize(size: *mut ffi::sqlite3_int64);
    lock = xLock(level: c_int);
    unlock = xUnlock(level: c_int);
    check_reserved_lock = xCheckReservedLock(is_reserved: *mut c_int);
    file_control = xFileControl(what: c_int, argument: *mut c_void);
    sector_size = xSectorSize();
    device_characteristics = xDeviceCharacteristics();
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int);
    shm_unmap = xShmUnmap(remove: c_int);
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: an open file.
    unsafe {
        hand_on(
            file,
            |methods| methods.xShmBarrier,
            |barrier, real| {
                barrier(real);
                ffi::SQLITE_OK
            },
        );
    }
}

/// The second version of SQLite's interface: with shared memory for the write-ahead log, and
/// without files mapped into memory, whose changes nobody could see.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
