//! Plain http through an http proxy: the request goes to the proxy, with the whole URL in its first
//! line (RFC 9112, 3.2.2 "absolute-form").
//!
//! ureq knows only CONNECT, which many proxies allow for port 443 alone (squid's default) and
//! caching ones for Debian packages (apt-cacher-ng) not at all. Here the connection is opened to
//! the proxy, and the first line of each request is completed on its way out.

use std::io::{Read as _, Write as _};

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// Wraps connections so that requests on them are in absolute form.
#[derive(Debug)]
pub(crate) struct AbsoluteForm;

impl<In: Transport> Connector<In> for AbsoluteForm {
    type Out = ToTarget;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let (Some(transport), Some(target)) = (chained, details.uri.authority()) else {
            return Ok(None);
        };
        Ok(Some(ToTarget {
            head: format!("GET http://{target}/"),
            buffers: LazyBuffers::new(
                details.config.input_buffer_size(),
                details.config.output_buffer_size(),
            ),
            stream: TransportAdapter::new(transport.boxed(), details.current_time.clone()),
        }))
    }
}

/// A connection to the proxy, for requests to one host.
pub(crate) struct ToTarget {
    /// What `GET /` becomes.
    head: String,
    buffers: LazyBuffers,
    stream: TransportAdapter,
}

impl std::fmt::Debug for ToTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToTarget").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Transport for ToTarget {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_timeout(timeout);
        // Only GET is ever sent, without a body, and no header begins so: this is a first line.
        let output = &self.buffers.output()[..amount];
        match output.strip_prefix(b"GET /") {
            Some(rest) => {
                self.stream.write_all(self.head.as_bytes())?;
                self.stream.write_all(rest)?;
            }
            None => self.stream.write_all(output)?,
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().is_open()
    }
}
