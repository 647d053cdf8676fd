# Quick to build, with assertions; what tests/run builds by default.
set(CMAKE_BUILD_TYPE "Debug" CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1" CACHE STRING "")
set(CMAKE_EXPORT_COMPILE_COMMANDS "ON" CACHE STRING "")
