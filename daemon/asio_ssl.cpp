// The one translation unit with Asio's TLS; only the command line speaks it, to a daemon behind a proxy.
#include <boost/asio/ssl/impl/src.hpp>
