/** The command line. The only package that names concrete devices and back ends. */
package org.virtiobackend.cli;
