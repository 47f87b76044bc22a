//! The way of a node to its database.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// A way to a database that can be cut, and led elsewhere.
pub(super) struct Cable {
    pub(super) port: u16,
    /// The port where it leads.
    to: Arc<AtomicU16>,
    is_cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    pub(super) fn lay(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let cable = Self {
            port,
            to: Arc::new(AtomicU16::new(to)),
            is_cut: Arc::default(),
            ends: Arc::default(),
        };
        let (to, is_cut) = (cable.to.clone(), cable.is_cut.clone());
        let ends = cable.ends.clone();
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                // Held until the connection is among those that are cut, or none is made.
                let mut ends = ends.lock().expect("nobody panics");
                if is_cut.load(Ordering::Acquire) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to.load(Ordering::Acquire))) else {
                    continue;
                };
                let both = [&near, &far].map(|end| end.try_clone().expect("a socket"));
                ends.extend(both);
                carry(&near, &far);
                carry(&far, &near);
            }
        });
        cable
    }

    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        for end in self.ends.lock().expect("nobody panics").drain(..) {
            // Whichever end is gone already is as cut as the others.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Leads elsewhere from now on; what goes through it is cut.
    pub(super) fn lead_to(&self, port: u16) {
        self.cut();
        self.to.store(port, Ordering::Release);
        self.mend();
    }

    pub(super) fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }
}

fn carry(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("a socket");
    let mut to = to.try_clone().expect("a socket");
    std::thread::spawn(move || {
        // Its end, however it comes, is the other's.
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
